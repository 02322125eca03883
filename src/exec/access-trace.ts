import { type BigIntStats, fstatSync, lstatSync, statfsSync } from "node:fs";
import { VarveError, messageOf } from "../core/index.ts";
import { type ByteString, OpenWatch, byteStringOf, pathOfByteString } from "../linux/index.ts";

const OVERLAY = 0x794c_7630;
/**
 * Milliseconds between two looks at what was opened: until then the kernel keeps the events, and unites equal ones. While a step opens
 * files that it has not opened before, looks are frequent, so that little is left to read when it has ended.
 */
const SHORT_INTERVAL = 10;
const LONG_INTERVAL = 100;
/** Events that are read at once. Meanwhile this process does nothing else. */
const BATCH = 1_000;
const DELETED = " (deleted)";

/** A tree whose accesses are noted. It must be an overlay of its own, because its whole filesystem is watched. */
export type TracedTree =
  /** A root filesystem that is mounted at `path`. */
  | { readonly kind: "root"; readonly path: string }
  /** A directory or file that is mounted elsewhere too, wherever that is. */
  | { readonly kind: "mount"; readonly path: string };

/**
 * Notes which files and directories of a tree are opened and executed, until `finish`. Look-ups, `stat` and `readlink` are not seen,
 * nor what this process opens itself. Dispose of it before the tree is unmounted.
 */
export class AccessTrace implements Disposable {
  readonly #watch: OpenWatch;
  readonly #tree: WatchedTree;
  readonly #limit: number;
  readonly #paths = new Set<ByteString>();
  #timer: NodeJS.Timeout;
  #isIncomplete = false;

  /**
   * @param limit maximum number of paths.
   * @throws {VarveError} `unsupported` if this process or the kernel cannot do that, with the reason as message.
   */
  constructor({ kind, path }: TracedTree, limit: number) {
    if (statfsSync(path).type !== OVERLAY)
      throw unsupported(kind === "root" ? "its root is no overlay" : "one of them is no overlay");
    this.#tree = kind === "root" ? new WatchedRoot(byteStringOf(path)) : new WatchedMount(byteStringOf(path));
    this.#limit = limit;
    try {
      this.#watch = new OpenWatch(path, (file, fd) => file.pid !== process.pid && this.#add(file.path, fd));
    } catch (error) {
      throw unsupported(`the kernel does not let files be watched: ${messageOf(error)}`);
    }
    this.#timer = this.#later(SHORT_INTERVAL);
  }

  #later(delay: number): NodeJS.Timeout {
    return setTimeout(() => {
      const known = this.#paths.size;
      const isEmpty = this.#read(BATCH);
      const next = this.#paths.size > known ? SHORT_INTERVAL : Math.min(delay * 2, LONG_INTERVAL);
      this.#timer = this.#later(isEmpty ? next : 0);
    }, delay).unref();
  }

  /**
   * Returns the paths of what was opened, absolute in the tree. Call it when all processes of the step have ended.
   * @throws {VarveError} `unsupported` if not all is known
   */
  finish(): ReadonlySet<ByteString> {
    while (!this.#read(BATCH)) if (this.#isIncomplete) break;
    this[Symbol.dispose]();
    if (this.#isIncomplete) throw unsupported("not everything that it opened is known");
    return this.#paths;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#watch[Symbol.dispose]();
  }

  /** Returns whether nothing is left to read. */
  #read(limit: number): boolean {
    const { isEmpty, isIncomplete } = this.#watch.read(limit);
    if (isIncomplete || this.#paths.size > this.#limit) this.#isIncomplete = true;
    return isEmpty;
  }

  /** Returns whether the file was known. What is opened only once is not worth the call that tells the kernel to leave it out. */
  #add(shown: ByteString, fd: number): boolean {
    const paths = this.#tree.pathsOf(shown, fd);
    if (paths === undefined) this.#isIncomplete = true;
    let isKnown = true;
    for (const path of paths ?? []) {
      if (this.#paths.has(path)) continue;
      this.#paths.add(path);
      isKnown = false;
    }
    return isKnown;
  }
}

interface WatchedTree {
  /**
   * Returns the paths in the tree that an open file may have: one that the kernel shows as `shown`. Undefined if its path is not known;
   * none for a file that the step has deleted, which its changes tell.
   */
  pathsOf(shown: ByteString, fd: number): readonly ByteString[] | undefined;
}

class WatchedRoot implements WatchedTree {
  readonly #root: ByteString;

  constructor(root: ByteString) {
    this.#root = root;
  }

  pathsOf(shown: ByteString): ByteString[] {
    const plain = shown.endsWith(DELETED) ? [shown, shown.slice(0, -DELETED.length)] : [shown];
    // The runtime opens files before the root is its own.
    return plain.flatMap((each) => {
      if (each === this.#root) return ["/"];
      return each.startsWith(`${this.#root}/`) ? [each, each.slice(this.#root.length)] : [each];
    });
  }
}

/**
 * The kernel shows a path from the root of the step while the step is there, and from the root of the mount afterwards. Both end with the
 * path in the mount. All ends that lead to the file count: its own path is one of them.
 */
class WatchedMount implements WatchedTree {
  readonly #source: ByteString;

  constructor(source: ByteString) {
    this.#source = source;
  }

  pathsOf(shown: ByteString, fd: number): ByteString[] | undefined {
    const file = fstatSync(fd, { bigint: true });
    const found = this.#find(shown, file);
    if (!shown.endsWith(DELETED)) return found.length === 0 ? undefined : found;
    return [...found, ...this.#find(shown.slice(0, -DELETED.length), file)];
  }

  #find(shown: ByteString, file: BigIntStats): ByteString[] {
    const found: ByteString[] = [];
    for (let at = shown.startsWith("/") ? 0 : -1; at >= 0; at = shown.indexOf("/", at + 1)) {
      const path = shown.slice(at);
      if (path !== "/" && this.#is(path, file)) found.push(path);
    }
    if (this.#is("", file)) found.push("/");
    return found;
  }

  /** Returns whether a file is at a path. */
  #is(path: ByteString, { dev, ino }: BigIntStats): boolean {
    try {
      const there = lstatSync(pathOfByteString(this.#source + path), { bigint: true, throwIfNoEntry: false });
      return there?.ino === ino && there.dev === dev;
    } catch {
      // Below a file, for example.
      return false;
    }
  }
}

function unsupported(reason: string): VarveError {
  return new VarveError("unsupported", reason);
}

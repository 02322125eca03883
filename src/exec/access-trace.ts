import { statfsSync } from "node:fs";
import { VarveError, messageOf } from "../core/index.ts";
import { type ByteString, OpenWatch, byteStringOf } from "../linux/index.ts";

const OVERLAY = 0x794c_7630;
/**
 * Milliseconds between two looks at what was opened: until then the kernel keeps the events, and unites equal ones. While a step opens
 * files, looks are frequent, so that little is left to read when it has ended.
 */
const SHORT_INTERVAL = 10;
const LONG_INTERVAL = 100;
/** Events that are read at once. Meanwhile this process does nothing else. */
const BATCH = 1_000;
const DELETED = " (deleted)";

/**
 * Notes which files and directories of a mounted root filesystem are opened and executed, until `finish`. Look-ups, `stat` and `readlink` are not seen,
 * nor what this process opens itself. Dispose of it before the root is unmounted.
 */
export class AccessTrace implements Disposable {
  readonly #watch: OpenWatch;
  readonly #root: ByteString;
  readonly #limit: number;
  readonly #paths = new Set<ByteString>();
  #timer: NodeJS.Timeout;
  #isIncomplete = false;

  /**
   * @param rootfs where the root is mounted. It must be an overlay, because its whole filesystem is watched.
   * @param limit maximum number of paths.
   * @throws {VarveError} `unsupported` if this process or the kernel cannot do that, with the reason as message.
   */
  constructor(rootfs: string, limit: number) {
    if (statfsSync(rootfs).type !== OVERLAY) throw unsupported("its root is no overlay");
    this.#root = byteStringOf(rootfs);
    this.#limit = limit;
    try {
      // What is opened only once is not worth the call that tells the kernel to leave it out.
      this.#watch = new OpenWatch(rootfs, ({ path, pid }) => pid !== process.pid && this.#paths.has(path));
    } catch (error) {
      throw unsupported(`the kernel does not let files be watched: ${messageOf(error)}`);
    }
    this.#timer = this.#later(SHORT_INTERVAL);
  }

  #later(delay: number): NodeJS.Timeout {
    return setTimeout(() => {
      const { isEmpty, count } = this.#read(BATCH);
      const next = count > 0 ? SHORT_INTERVAL : Math.min(delay * 2, LONG_INTERVAL);
      this.#timer = this.#later(isEmpty ? next : 0);
    }, delay).unref();
  }

  /**
   * Returns the paths of what was opened, absolute in the root. Call it when all processes of the step have ended.
   * @throws {VarveError} `unsupported` if not all is known
   */
  finish(): ReadonlySet<ByteString> {
    while (!this.#read(BATCH).isEmpty) if (this.#isIncomplete) break;
    this[Symbol.dispose]();
    if (this.#isIncomplete) throw unsupported("not everything that it opened is known");
    return this.#paths;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#watch[Symbol.dispose]();
  }

  /** Returns how many events were read, and whether nothing is left to read. */
  #read(limit: number): { readonly count: number; readonly isEmpty: boolean } {
    const { files, isEmpty, isIncomplete } = this.#watch.read(limit);
    for (const { path, pid } of files)
      if (pid !== process.pid) for (const each of this.#pathsIn(path)) this.#paths.add(each);
    if (isIncomplete || this.#paths.size > this.#limit) this.#isIncomplete = true;
    return { count: files.length, isEmpty };
  }

  /** Returns the paths in the root that a path as the kernel shows it may stand for. */
  #pathsIn(path: ByteString): ByteString[] {
    const plain = path.endsWith(DELETED) ? [path, path.slice(0, -DELETED.length)] : [path];
    // The runtime opens files before the root is its own.
    return plain.flatMap((each) => {
      if (each === this.#root) return ["/"];
      return each.startsWith(`${this.#root}/`) ? [each, each.slice(this.#root.length)] : [each];
    });
  }
}

function unsupported(reason: string): VarveError {
  return new VarveError("unsupported", reason);
}

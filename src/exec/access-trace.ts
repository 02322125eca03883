import { statfsSync } from "node:fs";
import { VarveError, messageOf } from "../core/index.ts";
import { type ByteString, type OpenedFile, OpenWatch, byteStringOf } from "../linux/index.ts";

/** What the processes of a step have opened in its root filesystem. Paths are absolute in it. */
export interface OpenedPaths {
  readonly files: ReadonlySet<ByteString>;
  readonly directories: ReadonlySet<ByteString>;
}

const OVERLAY = 0x794c_7630;
/** Milliseconds between two looks at what was opened: until then the kernel keeps the events, and unites equal ones. */
const INTERVAL = 100;
/** Events that are read at once. */
const BATCH = 2_000;
const DELETED = " (deleted)";

/**
 * Notes which files of a mounted root filesystem are opened and executed, until `finish`. Look-ups, `stat` and `readlink` are not seen,
 * nor what this process opens itself. Dispose of it before the root is unmounted.
 */
export class AccessTrace implements Disposable {
  readonly #watch: OpenWatch;
  readonly #root: ByteString;
  readonly #limit: number;
  readonly #files = new Set<ByteString>();
  readonly #directories = new Set<ByteString>();
  readonly #timer: NodeJS.Timeout;
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
      this.#watch = new OpenWatch(rootfs);
    } catch (error) {
      throw unsupported(`the kernel does not let files be watched: ${messageOf(error)}`);
    }
    this.#timer = setInterval(() => this.#read(BATCH), INTERVAL).unref();
  }

  /** Returns what was opened; call it when all processes of the step have ended. @throws {VarveError} `unsupported` if not all is known */
  finish(): OpenedPaths {
    while (!this.#read(BATCH)) if (this.#isIncomplete) break;
    this[Symbol.dispose]();
    if (this.#isIncomplete) throw unsupported("not everything that it opened is known");
    return { files: this.#files, directories: this.#directories };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#watch[Symbol.dispose]();
  }

  /** Returns true if nothing is left to read. */
  #read(limit: number): boolean {
    const { files, isEmpty, isIncomplete } = this.#watch.read(limit);
    for (const file of files) if (file.pid !== process.pid) this.#add(file);
    if (isIncomplete || this.#files.size + this.#directories.size > this.#limit) this.#isIncomplete = true;
    return isEmpty;
  }

  #add({ path, isDirectory }: OpenedFile): void {
    const paths = isDirectory ? this.#directories : this.#files;
    for (const each of this.#pathsIn(path)) paths.add(each);
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

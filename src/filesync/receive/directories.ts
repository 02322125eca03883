import {
  type ByteString,
  type EntryStat,
  type Handle,
  type Path,
  Root,
  pathOfByteString,
  statAt,
} from "../../linux/index.ts";

/** Maximum number of open directories. */
const MAX_OPEN = 64;

/** The open directories of a tree. The kernel resolves their paths, and no path leads out of the tree. */
export class Directories implements Disposable {
  readonly #root: Root;
  /** The open directories by their paths, the one that was opened first at the start. */
  readonly #open = new Map<ByteString, Handle>();

  constructor(directory: Path) {
    this.#root = Root.open(directory);
  }

  /**
   * Returns the path of an entry for file operations. It is valid until the next call. Opens the directory of the entry, which
   * must exist.
   */
  entry(directory: ByteString, name: ByteString): Path {
    return pathOfByteString(`${this.#find(directory).path}/${name}`);
  }

  /** Returns the path of a directory for file operations, which is not a link. It is valid until the next call. */
  at(directory: ByteString): Path {
    return `${this.#find(directory).path}/.`;
  }

  /** Returns the metadata of an entry, "." for the directory itself. Undefined if it does not exist. */
  stat(directory: ByteString, name: ByteString): EntryStat | undefined {
    return statAt(this.#find(directory).fd, name);
  }

  /** Opens a directory until the result is disposed of. */
  hold(directory: ByteString): Handle {
    return this.#root.open(directory === "" ? "." : pathOfByteString(directory), { follow: false });
  }

  [Symbol.dispose](): void {
    for (const handle of this.#open.values()) handle[Symbol.dispose]();
    this.#open.clear();
    this.#root[Symbol.dispose]();
  }

  #find(directory: ByteString): Pick<Handle, "fd" | "path"> {
    if (directory === "") return this.#root;
    const open = this.#open.get(directory);
    if (open !== undefined) return open;
    if (this.#open.size >= MAX_OPEN) this.#closeOldest();
    const handle = this.hold(directory);
    this.#open.set(directory, handle);
    return handle;
  }

  #closeOldest(): void {
    const [oldest] = this.#open;
    if (oldest === undefined) return;
    oldest[1][Symbol.dispose]();
    this.#open.delete(oldest[0]);
  }
}

import { goQuote, Limits, VarveError } from "../core/index.ts";
import { type ByteString, pathOfByteString, showPath } from "../linux/index.ts";
import { cleanPath } from "../pattern/index.ts";

/** The directory of a path ("" is the root) and its last component. */
export function splitPath(path: ByteString): [directory: ByteString, name: ByteString] {
  const slash = path.lastIndexOf("/");
  return [path.slice(0, Math.max(0, slash)), path.slice(slash + 1)];
}

export function joinBytes(directory: ByteString, name: ByteString): ByteString {
  return directory === "" ? name : `${directory}/${name}`;
}

const SLASH = 0x2f;
/** A component that is empty, `.` or `..`, or a NUL. */
// oxlint-disable-next-line no-control-regex -- a path must not have a NUL
const ODD = /(?:^|\/)\.{0,2}(?:\/|$)|\0/;

/**
 * Compares two paths in the order of a transfer: a directory comes before what it contains, and siblings are in the order of the
 * bytes of their names. That is the order of the bytes of the paths, with the slash before all other bytes.
 */
export function comparePaths(a: ByteString, b: ByteString): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at += 1) {
    const [x, y] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (x === y) continue;
    return x === SLASH || (y !== SLASH && x < y) ? -1 : 1;
  }
  return a.length - b.length;
}

/** Returns a path for messages. */
export function shown(path: ByteString): string {
  return showPath(pathOfByteString(path));
}

/** Returns the error for a path, with the message of Go's `PathError`. */
function pathError(operation: string, path: ByteString, state = "invalid argument"): VarveError {
  return new VarveError("corrupt", `${operation} ${shown(path)}: ${state}`, { details: { path: shown(path) } });
}

/**
 * Checks a path that a sender lists. A checked path is relative, has no empty component, no `.` and no `..`.
 * @throws {VarveError} `corrupt`, `limit-exceeded`
 */
export function checkPath(path: ByteString): void {
  if (path.length > Limits.path)
    throw new VarveError("limit-exceeded", `Cannot receive files: a path has more than ${Limits.path} bytes`);
  // Nearly all paths are clean, and this is what tells so fastest.
  if (!ODD.test(path)) return;
  if (path === "" || path === "." || path.includes("\0") || path !== cleanPath(path))
    throw pathError("unclean path", path);
  if (path.startsWith("/")) throw pathError("absolute path", path);
  if (path === ".." || path.startsWith("../")) throw pathError("escape check", path);
}

/** A directory that was listed, and what was listed in it last. */
interface Listed<T> {
  readonly path: ByteString;
  readonly value: T;
  last: ByteString;
}

/**
 * Checks that entries come in the order of a transfer, and that each one's directory came before it. Keeps a value for each
 * directory that may still get entries.
 */
export class ListingOrder<T> {
  readonly #directories: Listed<T>[];
  readonly #onEnd: (directory: T) => void;

  /** `root` is the value of the root. `onEnd` is called with the value of a directory that gets no more entries. */
  constructor(root: T, onEnd: (directory: T) => void) {
    this.#directories = [{ path: "", value: root, last: "" }];
    this.#onEnd = onEnd;
  }

  /**
   * Takes the next path, and returns the value of its directory.
   * @throws {VarveError} `corrupt` for a path in the wrong place
   */
  next(path: ByteString): T {
    const [directory, name] = splitPath(path);
    const index = this.#indexOf(directory);
    const found = this.#directories[index];
    if (found === undefined || found.path !== directory || found.last >= name)
      throw outOfOrder(path, joinBytes(found?.path ?? "", found?.last ?? ""));
    this.#endFrom(index + 1);
    found.last = name;
    return found.value;
  }

  /** Adds a directory that was the last path. */
  enter(path: ByteString, value: T): void {
    this.#directories.push({ path, value, last: "" });
  }

  /** Ends all directories, the root last. */
  end(): void {
    this.#endFrom(0);
  }

  /** Returns the index of a directory, or of the last one before it. */
  #indexOf(directory: ByteString): number {
    const last = this.#directories.length - 1;
    if (this.#directories[last]?.path === directory) return last;
    return this.#directories.findLastIndex((listed) => comparePaths(listed.path, directory) <= 0);
  }

  #endFrom(index: number): void {
    while (this.#directories.length > index) {
      const ended = this.#directories.pop();
      if (ended !== undefined) this.#onEnd(ended.value);
    }
  }
}

function outOfOrder(path: ByteString, last: ByteString): VarveError {
  return new VarveError("corrupt", `changes out of order: ${goQuote(shown(path))} ${goQuote(shown(last))}`);
}

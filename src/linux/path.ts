/**
 * A path as the kernel sees it: bytes without NUL. A string stands for its UTF-8 bytes; a name that is not UTF-8 is given as
 * its raw bytes. Node's own `fs` functions take both.
 */
export type Path = string | Buffer;

/** The bytes of a path. */
export function bytesOfPath(path: Path): Buffer {
  return typeof path === "string" ? Buffer.from(path) : path;
}

/** The NUL-terminated bytes the kernel wants. Throws `ERR_INVALID_ARG_VALUE` if the path holds a NUL. */
export function cstring(path: Path): Buffer {
  const bytes = typeof path === "string" ? Buffer.from(`${path}\0`) : Buffer.concat([path, Buffer.of(0)]);
  if (bytes.indexOf(0) !== bytes.length - 1) {
    throw Object.assign(new TypeError("The path must not contain a NUL byte"), { code: "ERR_INVALID_ARG_VALUE" });
  }
  return bytes;
}

/** Raw bytes as a `Path`: a string if they are UTF-8 (so that they can be shown and compared), the bytes themselves if not. */
export function pathOf(bytes: Buffer): Path {
  const text = bytes.toString("utf8");
  return text.includes("\uFFFD") && !Buffer.from(text).equals(bytes) ? bytes : text;
}

/** `${directory}/${name}`, where either may be raw bytes. */
export function joinPath(directory: Path, name: Path): Path {
  if (typeof directory === "string" && typeof name === "string") return `${directory}/${name}`;
  return Buffer.concat([Buffer.from(directory), Buffer.from("/"), Buffer.from(name)]);
}

/** For messages: bytes that are not UTF-8 appear as `\xNN`. */
export function showPath(path: Path): string {
  if (typeof path === "string") return path;
  return path.toString("latin1").replace(/[^\x20-\x7e]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/**
 * A name as a byte string: one character (U+0000 to U+00FF) per byte. Byte strings sort as bytes do, can be keys of a `Map`
 * and lose nothing, which neither UTF-8 text nor `Buffer` offers. `readdir(…, { encoding: "latin1" })` yields them.
 */
export type ByteString = string;

// oxlint-disable-next-line no-control-regex -- the range is the definition of ASCII
const ASCII = /^[\x00-\x7f]*$/;

/** The path that a byte string stands for; cheap for ASCII, which is the same in both. */
export function pathOfByteString(bytes: ByteString): Path {
  return ASCII.test(bytes) ? bytes : Buffer.from(bytes, "latin1");
}

/** The byte string of a path. */
export function byteStringOf(path: Path): ByteString {
  if (typeof path !== "string") return path.toString("latin1");
  return ASCII.test(path) ? path : Buffer.from(path).toString("latin1");
}

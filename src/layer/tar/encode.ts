import { posix } from "node:path";
import { VarveError, wholeSeconds } from "../../core/index.ts";
import type { ByteString } from "../../linux/index.ts";
import { BLOCK, FIELDS, type Field, padding, quoted, TYPE_FLAG, XATTR_PREFIX } from "./format.ts";
import { checksums } from "./header.ts";
import { fitsOctal } from "./number.ts";
import { formatPax } from "./pax.ts";
import type { TarInput } from "../types.ts";

/** A `TarInput` with all defaults filled in. */
interface CompleteHeader {
  readonly path: ByteString;
  readonly typeFlag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly linkPath: ByteString;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly xattrs: ReadonlyMap<ByteString, Uint8Array>;
}

const NO_XATTRS: CompleteHeader["xattrs"] = new Map();

/**
 * Returns the header blocks of an entry with `size` bytes of content. They are the bytes that Go's archive/tar writes for a
 * header in PAX format. If everything fits, it is one ustar header, and a long name is split at a "/". Otherwise an extended
 * header comes first, with only the necessary records, sorted by their keys.
 */
export function encodeHeader(input: TarInput, size: number): Buffer {
  const header = complete(input, size);
  const { records, fitsUstar } = paxRecordsFor(header);
  if (fitsUstar) {
    const [prefix, name] = splitPath(header.path) ?? ["", header.path];
    return mainHeader(header, name, header.linkPath, prefix);
  }
  const main = mainHeader(header, toAscii(header.path), toAscii(header.linkPath), "");
  return Buffer.concat([extendedHeader(header.path, formatPax(records)), main]);
}

function complete(input: TarInput, size: number): CompleteHeader {
  const { type = "file", path } = input;
  const isDirectory = type === "directory";
  const full: CompleteHeader = {
    path: isDirectory && !path.endsWith("/") ? `${path}/` : path,
    typeFlag: TYPE_FLAG[type],
    mode: input.mode ?? (isDirectory ? 0o755 : 0o644),
    uid: input.uid ?? 0,
    gid: input.gid ?? 0,
    size,
    mtime: Number(wholeSeconds(input.mtime ?? 0n)),
    linkPath: input.linkPath ?? "",
    devMajor: input.devMajor ?? 0,
    devMinor: input.devMinor ?? 0,
    xattrs: input.xattrs ?? NO_XATTRS,
  };
  if (full.path.includes("\0") || full.linkPath.includes("\0") || (type === "file" && path.endsWith("/"))) {
    throw new VarveError(
      "internal",
      `Cannot write archive entry ${quoted(path)}: its name cannot be that of a ${type}`,
    );
  }
  return full;
}

function isAscii(text: ByteString): boolean {
  return toAscii(text).length === text.length;
}

function toAscii(text: ByteString): ByteString {
  return text.replace(/[\0\x80-\xff]/g, "");
}

/** Returns PAX records for everything that does not fit in a ustar header, and whether everything fits after all. */
function paxRecordsFor(header: CompleteHeader): { records: Map<ByteString, ByteString>; fitsUstar: boolean } {
  const records = new Map<ByteString, ByteString>();
  let fitsUstar = true;
  const need = (key: string, value: ByteString): void => {
    records.set(key, value);
    fitsUstar = false;
  };
  for (const [name, value] of header.xattrs) need(XATTR_PREFIX + name, Buffer.from(value).toString("latin1"));
  if (header.linkPath.length > FIELDS.linkName[1] || !isAscii(header.linkPath)) need("linkpath", header.linkPath);
  for (const key of ["uid", "gid", "size", "mtime"] as const) {
    if (!fitsOctal(header[key], FIELDS[key][1])) need(key, String(header[key]));
  }
  if (header.path.length > FIELDS.name[1] || !isAscii(header.path)) {
    records.set("path", header.path);
    if (splitPath(header.path) === undefined) fitsUstar = false;
  }
  return { records, fitsUstar };
}

/** Splits a long name into the prefix and name fields. Undefined if the name is short or cannot be split. */
function splitPath(path: ByteString): [prefix: string, name: string] | undefined {
  const [maxName, maxPrefix] = [FIELDS.name[1], FIELDS.prefix[1]];
  if (path.length <= maxName || !isAscii(path)) return undefined;
  let length = path.length;
  if (length > maxPrefix + 1) length = maxPrefix + 1;
  else if (path.endsWith("/")) length -= 1;
  const slash = path.lastIndexOf("/", length - 1);
  const nameLength = path.length - slash - 1;
  if (slash <= 0 || nameLength === 0 || nameLength > maxName || slash > maxPrefix) return undefined;
  return [path.slice(0, slash), path.slice(slash + 1)];
}

function writeText(block: Buffer, [offset, length]: Field, text: ByteString): void {
  block.write(text, offset, length, "latin1");
  // A truncated name must not end in "/", because readers would then treat the entry as a directory.
  if (text.length > length && block[offset + length - 1] === 0x2f) {
    block[offset + text.slice(0, length - 1).replace(/\/+$/, "").length] = 0;
  }
}

/** Writes a number. One that does not fit is written as 0, because the record in the extended header overrides it. */
function writeOctal(block: Buffer, [offset, length]: Field, value: number): void {
  const digits = (fitsOctal(value, length) ? value : 0).toString(8);
  block.write(digits.padStart(length - 1, "0"), offset, length, "latin1");
}

function seal(block: Buffer): Buffer {
  block.write("ustar\x0000", FIELDS.magic[0], 8, "latin1");
  const [offset] = FIELDS.checksum;
  writeOctal(block, [offset, 7], checksums(block).unsigned);
  block[offset + 7] = 0x20;
  return block;
}

function mainHeader(header: CompleteHeader, name: ByteString, linkPath: ByteString, prefix: ByteString): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(header.typeFlag, FIELDS.typeFlag[0], 1, "latin1");
  writeText(block, FIELDS.name, name);
  writeText(block, FIELDS.linkName, linkPath);
  for (const key of ["mode", "uid", "gid", "size", "mtime", "devMajor", "devMinor"] as const)
    writeOctal(block, FIELDS[key], header[key]);
  writeText(block, FIELDS.prefix, prefix);
  return seal(block);
}

function extendedHeader(path: ByteString, data: Buffer): Buffer {
  const slash = path.lastIndexOf("/") + 1;
  const name = toAscii(posix.join(path.slice(0, slash), "PaxHeaders.0", path.slice(slash)));
  const block = Buffer.alloc(BLOCK);
  block.write("x", FIELDS.typeFlag[0], 1, "latin1");
  writeText(block, FIELDS.name, name.slice(0, FIELDS.name[1]).replace(/\/+$/, ""));
  for (const key of ["mode", "uid", "gid", "mtime"] as const) writeOctal(block, FIELDS[key], 0);
  writeOctal(block, FIELDS.size, data.length);
  return Buffer.concat([seal(block), data, Buffer.alloc(padding(data.length))]);
}

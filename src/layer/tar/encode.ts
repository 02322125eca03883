import { posix } from "node:path";
import { VarveError } from "../../core/index.ts";
import type { ByteString } from "../../linux/index.ts";
import { BLOCK, F, type Field, padding, quoted, TYPE_FLAG, XATTR_PREFIX } from "./format.ts";
import { checksums } from "./header.ts";
import { fitsOctal, wholeSeconds } from "./number.ts";
import { formatPax } from "./pax.ts";
import type { TarInput } from "../types.ts";

/** All that goes into a header, with nothing left out. */
interface Full {
  readonly path: ByteString;
  readonly typeFlag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds. */
  readonly mtime: number;
  readonly linkPath: ByteString;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly xattrs: ReadonlyMap<ByteString, Uint8Array>;
}

const NO_XATTRS: Full["xattrs"] = new Map();

/**
 * The header blocks of an entry with `size` bytes of content, byte for byte as Go's archive/tar writes a header whose format
 * is PAX: a plain ustar header if everything fits, the name split at a "/" if that makes it fit, and otherwise an extended
 * header with just the records that are needed, in the order of their keys, before a header that holds what it can.
 */
export function encodeHeader(input: TarInput, size: number): Buffer {
  const header = complete(input, size);
  const { records, plain } = needs(header);
  if (plain) {
    const [prefix, name] = splitPath(header.path) ?? ["", header.path];
    return mainHeader(header, name, header.linkPath, prefix);
  }
  const main = mainHeader(header, toAscii(header.path), toAscii(header.linkPath), "");
  return Buffer.concat([extendedHeader(header.path, formatPax(records)), main]);
}

function complete(input: TarInput, size: number): Full {
  const { type = "file", path } = input;
  const isDirectory = type === "directory";
  const full: Full = {
    path: isDirectory && !path.endsWith("/") ? `${path}/` : path,
    typeFlag: TYPE_FLAG[type],
    mode: input.mode ?? (isDirectory ? 0o755 : 0o644),
    uid: input.uid ?? 0,
    gid: input.gid ?? 0,
    size,
    mtime: wholeSeconds(input.mtime ?? 0n),
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

/** What a plain header cannot hold, as records, and whether a plain header will do. */
function needs(header: Full): { records: Map<ByteString, ByteString>; plain: boolean } {
  const records = new Map<ByteString, ByteString>();
  let plain = true;
  const need = (key: string, value: ByteString): void => {
    records.set(key, value);
    plain = false;
  };
  for (const [name, value] of header.xattrs) need(XATTR_PREFIX + name, Buffer.from(value).toString("latin1"));
  if (header.linkPath.length > F.linkName[1] || !isAscii(header.linkPath)) need("linkpath", header.linkPath);
  for (const key of ["uid", "gid", "size", "mtime"] as const) {
    if (!fitsOctal(header[key], F[key][1])) need(key, String(header[key]));
  }
  if (header.path.length > F.name[1] || !isAscii(header.path)) {
    records.set("path", header.path);
    if (splitPath(header.path) === undefined) plain = false;
  }
  return { records, plain };
}

/** Splits a long name for the prefix field; undefined if it needs no split or cannot be split. */
function splitPath(path: ByteString): [prefix: string, name: string] | undefined {
  const [most, mostPrefix] = [F.name[1], F.prefix[1]];
  if (path.length <= most || !isAscii(path)) return undefined;
  let length = path.length;
  if (length > mostPrefix + 1) length = mostPrefix + 1;
  else if (path.endsWith("/")) length -= 1;
  const slash = path.lastIndexOf("/", length - 1);
  const nameLength = path.length - slash - 1;
  if (slash <= 0 || nameLength === 0 || nameLength > most || slash > mostPrefix) return undefined;
  return [path.slice(0, slash), path.slice(slash + 1)];
}

function writeText(block: Buffer, [offset, length]: Field, text: ByteString): void {
  block.write(text, offset, length, "latin1");
  // A cut name must not end in "/": readers would take the entry for a directory.
  if (text.length > length && block[offset + length - 1] === 0x2f) {
    block[offset + text.slice(0, length - 1).replace(/\/+$/, "").length] = 0;
  }
}

/** A number that does not fit is written as 0; the record of the extended header counts. */
function writeOctal(block: Buffer, [offset, length]: Field, value: number): void {
  const digits = (fitsOctal(value, length) ? value : 0).toString(8);
  block.write(digits.padStart(length - 1, "0"), offset, length, "latin1");
}

function seal(block: Buffer): Buffer {
  block.write("ustar\x0000", F.magic[0], 8, "latin1");
  const [offset] = F.checksum;
  writeOctal(block, [offset, 7], checksums(block).unsigned);
  block[offset + 7] = 0x20;
  return block;
}

function mainHeader(header: Full, name: ByteString, linkPath: ByteString, prefix: ByteString): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(header.typeFlag, F.typeFlag[0], 1, "latin1");
  writeText(block, F.name, name);
  writeText(block, F.linkName, linkPath);
  for (const key of ["mode", "uid", "gid", "size", "mtime", "devMajor", "devMinor"] as const)
    writeOctal(block, F[key], header[key]);
  writeText(block, F.prefix, prefix);
  return seal(block);
}

function extendedHeader(path: ByteString, data: Buffer): Buffer {
  const slash = path.lastIndexOf("/") + 1;
  const name = toAscii(posix.join(path.slice(0, slash), "PaxHeaders.0", path.slice(slash)));
  const block = Buffer.alloc(BLOCK);
  block.write("x", F.typeFlag[0], 1, "latin1");
  writeText(block, F.name, name.slice(0, F.name[1]).replace(/\/+$/, ""));
  for (const key of ["mode", "uid", "gid", "mtime"] as const) writeOctal(block, F[key], 0);
  writeOctal(block, F.size, data.length);
  return Buffer.concat([seal(block), data, Buffer.alloc(padding(data.length))]);
}

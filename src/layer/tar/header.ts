import { Limits, VarveError, NS_PER_SECOND } from "../../core/index.ts";
import type { ByteString } from "../../linux/index.ts";
import {
  BLOCK,
  cleanPath,
  corruptArchive,
  FIELDS,
  type Field,
  MAX_MAJOR,
  MAX_MINOR,
  quoted,
  XATTR_PREFIX,
} from "./format.ts";
import { parseDecimal, parseNumeric, parseTime } from "./number.ts";
import type { PaxRecords } from "./pax.ts";
import type { TarEntryType, TarHeader } from "../types.ts";

/** The extensions before a header, which override its fields. */
export interface Extensions {
  readonly pax: PaxRecords;
  readonly longName: ByteString | undefined;
  readonly longLink: ByteString | undefined;
}

export const NO_EXTENSIONS: Extensions = { pax: new Map(), longName: undefined, longLink: undefined };
const NO_XATTRS: TarHeader["xattrs"] = new Map();

const TYPES: ReadonlyMap<string, TarEntryType> = new Map([
  ["0", "file"],
  ["\0", "file"],
  ["7", "file"],
  ["S", "file"],
  ["1", "hardlink"],
  ["2", "symlink"],
  ["3", "char"],
  ["4", "block"],
  ["5", "directory"],
  ["6", "fifo"],
]);

function text(block: Buffer, [offset, length]: Field): ByteString {
  const end = block.indexOf(0, offset);
  return block.toString("latin1", offset, end < 0 || end > offset + length ? offset + length : end);
}

/** Returns the checksum of a header. Some old writers computed it with signed bytes. */
export function checksums(block: Uint8Array): { unsigned: number; signed: number } {
  const [from, length] = FIELDS.checksum;
  let unsigned = 0;
  let high = 0;
  for (let at = 0; at < BLOCK; at += 1) {
    const byte = at >= from && at < from + length ? 0x20 : (block[at] ?? 0);
    unsigned += byte;
    high += byte >> 7;
  }
  return { unsigned, signed: unsigned - high * 256 };
}

/** Returns whether a block is a header, judging by its checksum. */
export function isHeader(block: Buffer): boolean {
  const { unsigned, signed } = checksums(block);
  const written = parseNumeric(block, FIELDS.checksum);
  return written === unsigned || written === signed;
}

/**
 * A header block. Invalid values are errors.
 * @throws {VarveError} `corrupt`, `unsupported` or `limit-exceeded`
 */
export class HeaderBlock {
  readonly #block: Buffer;
  readonly what: string;

  constructor(block: Buffer, what: string) {
    this.#block = block;
    this.what = what;
    if (!isHeader(block)) throw corruptArchive(what, "a header has a wrong checksum");
  }

  get typeFlag(): string {
    return this.#block.toString("latin1", FIELDS.typeFlag[0], FIELDS.typeFlag[0] + 1);
  }

  /** The size field: the number of bytes that follow the header, for types with content. */
  get size(): number {
    return this.#natural(FIELDS.size, "size");
  }

  get bytes(): Buffer {
    return this.#block;
  }

  /** The header has GNU's old format. It has other fields in the place of POSIX's name prefix. */
  get isGnu(): boolean {
    return this.#block.toString("latin1", 257, 265) === "ustar  \0";
  }

  /**
   * Returns the header with its extensions applied. `size` is the stored size. The name comes from, in this order: the sparse
   * file's name, the GNU long name, the PAX record, the header.
   */
  entry(extensions: Extensions): TarHeader {
    const { pax } = extensions;
    const sparse = pax.get("GNU.sparse.name") ?? "";
    const name = sparse === "" ? (extensions.longName ?? pax.get("path") ?? "") : sparse;
    const rawPath = this.#path(name, () => this.#name());
    const type = this.#type(rawPath);
    const link = this.#path(extensions.longLink ?? pax.get("linkpath") ?? "", () => text(this.#block, FIELDS.linkName));
    const device = type === "char" || type === "block";
    if ((type === "symlink" || type === "hardlink") && link === "")
      throw this.#corrupt(`${quoted(rawPath)} is a link without a target`);
    return {
      path: cleanPath(rawPath),
      rawPath,
      type,
      mode: this.#natural(FIELDS.mode, "mode") & 0o7777,
      uid: this.#number(pax, "uid", FIELDS.uid),
      gid: this.#number(pax, "gid", FIELDS.gid),
      size: type === "file" ? this.#number(pax, "size", FIELDS.size) : 0,
      mtime: this.#mtime(pax.get("mtime") ?? ""),
      linkPath: type === "symlink" ? link : type === "hardlink" ? cleanPath(link) : "",
      devMajor: device ? this.#natural(FIELDS.devMajor, "major device number", MAX_MAJOR) : 0,
      devMinor: device ? this.#natural(FIELDS.devMinor, "minor device number", MAX_MINOR) : 0,
      xattrs: xattrsOf(pax),
    };
  }

  #corrupt(state: string): VarveError {
    return corruptArchive(this.what, state);
  }

  #type(rawPath: ByteString): TarEntryType {
    const flag = this.typeFlag;
    if (flag === "\0" && rawPath.endsWith("/")) return "directory";
    const type = TYPES.get(flag);
    if (type !== undefined) return type;
    throw new VarveError("unsupported", `Cannot read ${this.what}: ${quoted(rawPath)} is of type ${quoted(flag)}`);
  }

  /** Returns the name field, after the prefix field, which only POSIX headers have. star's prefix field is shorter. */
  #name(): ByteString {
    const name = text(this.#block, FIELDS.name);
    if (this.#block.toString("latin1", 257, 263) !== "ustar\0") return name;
    const isStar = this.#block.toString("latin1", 508, 512) === "tar\0";
    const prefix = text(this.#block, isStar ? [FIELDS.prefix[0], 131] : FIELDS.prefix);
    return prefix === "" ? name : `${prefix}/${name}`;
  }

  #path(extended: ByteString, fromHeader: () => ByteString): ByteString {
    const path = extended === "" ? fromHeader() : extended;
    if (path.length <= Limits.path) return path;
    throw new VarveError("limit-exceeded", `Cannot read ${this.what}: a path is longer than ${Limits.path} bytes`);
  }

  #natural(field: Field, name: string, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = parseNumeric(this.#block, field);
    if (value === undefined || value < 0 || value > max)
      throw this.#corrupt(`a header's ${name} is not a number in range`);
    return value;
  }

  #number(pax: PaxRecords, key: "uid" | "gid" | "size", field: Field): number {
    const record = pax.get(key) ?? "";
    const max = key === "size" ? Number.MAX_SAFE_INTEGER : 0xffff_fffe;
    if (record === "") return this.#natural(field, key, max);
    const value = parseDecimal(record);
    if (value === undefined || value > max)
      throw this.#corrupt(`the PAX record ${key}=${quoted(record)} is not a number in range`);
    return value;
  }

  #mtime(record: ByteString): bigint {
    if (record !== "") {
      const value = parseTime(record);
      if (value === undefined) throw this.#corrupt(`the PAX record mtime=${quoted(record)} is not a time`);
      return value;
    }
    const seconds = parseNumeric(this.#block, FIELDS.mtime);
    if (seconds === undefined) throw this.#corrupt("a header's mtime is not a number in range");
    return BigInt(seconds) * NS_PER_SECOND;
  }
}

function xattrsOf(pax: PaxRecords): TarHeader["xattrs"] {
  if (pax.size === 0) return NO_XATTRS;
  const xattrs = new Map<ByteString, Buffer>();
  for (const [key, value] of pax) {
    if (key.startsWith(XATTR_PREFIX)) xattrs.set(key.slice(XATTR_PREFIX.length), Buffer.from(value, "latin1"));
  }
  return xattrs;
}

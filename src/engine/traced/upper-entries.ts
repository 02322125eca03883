import { createHash, hash } from "node:crypto";
import {
  type BigIntStats,
  closeSync,
  lstatSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  readlinkSync,
} from "node:fs";
import { VarveError } from "../../core/index.ts";
import { type ByteString, lgetxattr, llistxattr, pathOfByteString } from "../../linux/index.ts";
import { Pace } from "../../snapshot/index.ts";
import { DIGEST_BYTES, type LayerEntry, MAX_ENTRIES } from "../../traced/index.ts";

const OVERLAY_XATTR = /^(?:trusted|user)\.overlay\.(.*)$/;
/** Marks of an entry that has not all of itself in the directory. */
const PARTIAL = new Set(["redirect", "metacopy"]);
/** Larger files are read in pieces of this many bytes. */
const PIECE = 1_048_576;
const HEX = DIGEST_BYTES * 2;

/** Maximum bytes that are read of a directory. More take longer than most steps. */
const MAX_BYTES = 1_073_741_824;

export interface ReadOptions {
  /** False: contents are not read, and are all the same. */
  readonly contents: boolean;
  readonly signal: AbortSignal;
}

/**
 * Returns the entries of one upper directory of overlayfs, without its root.
 * @throws {VarveError} `unsupported` for entries that overlayfs keeps partly elsewhere; `limit-exceeded` for more than 200,000 entries, or
 * 1 GiB of contents
 */
export async function readUpper(directory: ByteString, { contents, signal }: ReadOptions): Promise<LayerEntry[]> {
  const entries: LayerEntry[] = [];
  const pace = new Pace(signal);
  const open: ByteString[] = [""];
  let bytes = 0;
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const names = readdirSync(pathOfByteString(`${directory}${path}/.`), { encoding: "latin1" });
    for (const name of names) {
      await pace.step();
      const { entry, size } = entryOf(directory, `${path}/${name}`, contents);
      bytes += contents ? size : 0;
      entries.push(entry);
      if (entries.length > MAX_ENTRIES || bytes > MAX_BYTES) throw tooLarge();
      if (entry.kind === "directory") open.push(entry.path);
    }
  }
  return entries;
}

/** An entry with the bytes of its content. */
interface SizedEntry {
  readonly entry: LayerEntry;
  readonly size: number;
}

function entryOf(directory: ByteString, path: ByteString, contents: boolean): SizedEntry {
  const full = pathOfByteString(directory + path);
  const stats = lstatSync(full, { bigint: true });
  if (stats.isCharacterDevice() && stats.rdev === 0n) return { entry: { path, kind: "deletion" }, size: 0 };
  const xattrs: string[] = [];
  let opaque = false;
  for (const name of llistxattr(full)) {
    const mark = OVERLAY_XATTR.exec(name)?.[1];
    if (mark === undefined) xattrs.push(`${name}=${lgetxattr(full, name)?.toString("hex")}`);
    else if (PARTIAL.has(mark)) throw new VarveError("unsupported", `The overlay has a ${mark}`);
    else if (mark === "opaque") opaque = lgetxattr(full, name)?.toString() === "y";
  }
  const link = stats.isSymbolicLink() ? readlinkSync(full, { encoding: "latin1" }) : "";
  const attributes = attributesOf(stats, link, xattrs);
  if (stats.isDirectory()) return { entry: { path, kind: "directory", attributes, opaque }, size: 0 };
  const size = stats.isFile() ? Number(stats.size) : 0;
  const kind = stats.isFile() ? "file" : stats.isSymbolicLink() ? "symlink" : "other";
  const content = kind !== "file" ? "" : contents ? contentOf(full, size) : "0".repeat(HEX);
  return { entry: { path, kind, attributes, content }, size };
}

function attributesOf({ mode, uid, gid, rdev }: BigIntStats, link: ByteString, xattrs: readonly string[]): string {
  const text = [mode, uid, gid, rdev, link, ...xattrs.toSorted()].join("\0");
  return hash("sha256", Buffer.from(text, "latin1")).slice(0, HEX);
}

function tooLarge(): VarveError {
  return new VarveError("limit-exceeded", "the layers that differ are too large to be compared");
}

function contentOf(path: string | Buffer, size: number): string {
  if (size > MAX_BYTES) throw tooLarge();
  if (size <= PIECE) return hash("sha256", readFileSync(path)).slice(0, HEX);
  const digest = createHash("sha256");
  const piece = Buffer.allocUnsafe(PIECE);
  const fd = openSync(path, "r");
  try {
    for (;;) {
      const length = readSync(fd, piece, 0, PIECE, null);
      if (length === 0) return digest.digest("hex").slice(0, HEX);
      digest.update(piece.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
}

import { createHash, hash } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { VarveError } from "../../core/index.ts";
import {
  type TreeFile,
  type UpperTree,
  directoryUpper,
  findFile,
  isOpaque,
  isWhiteoutDevice,
  linkTarget,
  xattrNames,
  xattrOf,
} from "../../layer/index.ts";
import { type ByteString, pathOfByteString } from "../../linux/index.ts";
import { Pace } from "../../snapshot/index.ts";
import { DIGEST_BYTES, type LayerEntry, MAX_ENTRIES, parentOf } from "../../traced/index.ts";

/** Attributes that belong to the overlay and not to the file. */
const OVERLAY_XATTR = /^(?:trusted|user)\.overlay\./;
/** The prefix of those that say something. Only root traces steps, and then it is this one. */
const PREFIX = "trusted.overlay.";
const PERMISSIONS = 0o7777n;
/** Larger files are read in pieces of this many bytes. */
const PIECE = 1_048_576;
const HEX = DIGEST_BYTES * 2;

/** Maximum bytes that are read of a tree. More take longer than most steps. */
const MAX_BYTES = 1_073_741_824;

export interface ReadOptions {
  /** False: contents are not read, and are all the same. */
  readonly contents: boolean;
  readonly signal: AbortSignal;
}

/**
 * Returns the entries of what a layer changes, without the root.
 * @throws {VarveError} `unsupported` for entries that overlayfs keeps partly elsewhere; `limit-exceeded` for more than 200,000 entries, or
 * 1 GiB of contents
 */
export async function readUpper(upper: UpperTree, { contents, signal }: ReadOptions): Promise<LayerEntry[]> {
  const entries: LayerEntry[] = [];
  const pace = new Pace(signal);
  const open: ByteString[] = [""];
  let bytes = 0;
  for (let directory = open.pop(); directory !== undefined; directory = open.pop()) {
    for (const name of upper.names(directory)) {
      await pace.step();
      const path = directory === "" ? name : `${directory}/${name}`;
      const file = upper.file(path);
      bytes += contents && file?.type === "file" ? Number(file.stats.size) : 0;
      if (entries.length >= MAX_ENTRIES || bytes > MAX_BYTES) throw tooLarge();
      entries.push(
        file === undefined ? { path: `/${path}`, kind: "deletion" } : entryOf(file, upper.isOpaque(file), contents),
      );
      if (file?.type === "directory") open.push(path);
    }
  }
  return entries;
}

/** Returns the tree of a directory that overlayfs has written. */
export function upperOf(directory: string): UpperTree {
  return directoryUpper(directory, { kind: "overlay", prefix: PREFIX });
}

/**
 * Returns the entries at some paths of a directory that overlayfs has written. The directories that a path is in come before it.
 * @throws {VarveError} as `readUpper`
 */
export async function readPaths(
  root: ByteString,
  paths: readonly ByteString[],
  signal: AbortSignal,
): Promise<LayerEntry[]> {
  const entries: LayerEntry[] = [];
  const pace = new Pace(signal);
  const opened = new Set<ByteString>(["/"]);
  let bytes = 0;
  for (const path of paths) {
    await pace.step();
    // The kernel would follow a link that is there in place of a directory.
    const file = opened.has(parentOf(path)) ? findFile(root + path, path.slice(1)) : undefined;
    if (file === undefined) continue;
    bytes += file.type === "file" ? Number(file.stats.size) : 0;
    if (bytes > MAX_BYTES) throw tooLarge();
    entries.push(isWhiteoutDevice(file) ? { path, kind: "deletion" } : entryOf(file, isOpaque(file, PREFIX), true));
    if (file.type === "directory") opened.add(path);
  }
  return entries;
}

function entryOf(file: TreeFile, opaque: boolean, contents: boolean): LayerEntry {
  const path = `/${file.path}`;
  const attributes = attributesOf(file);
  switch (file.type) {
    case "directory":
      return { path, kind: "directory", attributes, opaque };
    case "file":
      return { path, kind: "file", attributes, content: contents ? contentOf(file) : "0".repeat(HEX) };
    case "symlink":
      return { path, kind: "symlink", attributes, content: "" };
    case "char":
    case "block":
    case "fifo":
    case "socket":
      return { path, kind: "other", attributes, content: "" };
  }
}

function attributesOf(file: TreeFile): string {
  const { mode, uid, gid, rdev } = file.stats;
  const link = file.type === "symlink" ? linkTarget(file) : "";
  const names = xattrNames(file).filter((name) => !OVERLAY_XATTR.test(name));
  const xattrs = names.map((name) => `${name}=${xattrOf(file, name)?.toString("hex")}`).sort();
  const permissions = mode & PERMISSIONS;
  const text = [file.type, permissions, uid, gid, rdev, link, ...xattrs].join("\0");
  return hash("sha256", Buffer.from(text, "latin1")).slice(0, HEX);
}

function tooLarge(): VarveError {
  return new VarveError("limit-exceeded", "the layers that differ are too large to be compared");
}

function contentOf({ fullPath, stats }: TreeFile): string {
  const path = pathOfByteString(fullPath);
  const size = Number(stats.size);
  if (size === 0) return hash("sha256", "").slice(0, HEX);
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

import { type Dirent, lstatSync, readdirSync } from "node:fs";
import type { Draft, DraftFile, Listing } from "../layer/index.ts";
import { type ByteString, joinPath, type Path, pathOfByteString } from "../linux/index.ts";
import { statOf } from "./target.ts";

/**
 * Returns the listing of a layer that was written as a whole. Undefined if its directory does not have the entries of the draft: files
 * were added or removed since the draft was made. A directory whose time is another one is listed as one that equals no other.
 */
export function listingOfWritten(directory: Path, { entries }: Draft, listing: Listing): Listing | undefined {
  const files = new Map(entries.flatMap((entry) => (entry.type === undefined ? [] : [[entry.path, entry] as const])));
  const found = new Map(listing);
  const left = [""];
  let count = 0;
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    const at = joinPath(directory, pathOfByteString(path));
    const file = files.get(path);
    const stat = statOf(at);
    if (file?.type !== "directory" || stat?.isDirectory() !== true) return undefined;
    count += 1;
    if (lstatSync(at, { bigint: true }).mtimeNs !== file.stats.mtimeNs)
      found.set(path, { kind: kindOf(listing, path), key: "" });
    for (const entry of readdirSync(at, { withFileTypes: true, encoding: "latin1" })) {
      const below = path === "" ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory()) left.push(below);
      else if (!isLike(entry, files.get(below))) return undefined;
      else count += 1;
    }
  }
  return count === listing.size ? found : undefined;
}

function kindOf(listing: Listing, path: ByteString): string {
  return listing.get(path)?.kind ?? "";
}

function isLike(entry: Dirent, file: DraftFile | undefined): boolean {
  switch (file?.type) {
    case "file":
      return entry.isFile();
    case "symlink":
      return entry.isSymbolicLink();
    case "fifo":
      return entry.isFIFO();
    case "char":
      return entry.isCharacterDevice();
    case "block":
      return entry.isBlockDevice();
    default:
      return false;
  }
}

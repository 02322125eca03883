import { opendirSync } from "node:fs";
import { type ByteString, pathOfByteString } from "../linux/index.ts";
import { findFile } from "./diff/tree.ts";

/** Trees and archives up to this size are handled in the current thread, because starting another one takes longer. */
export const SMALL_FILES = 256;
export const SMALL_BYTES = 4_194_304;

/** Returns whether a tree has few files and little content. Stops reading the tree as soon as the answer is known. */
export function isSmallTree(root: ByteString): boolean {
  const left = [root];
  let [files, bytes] = [0, 0];
  for (let directory = left.pop(); directory !== undefined; directory = left.pop()) {
    using entries = opendirSync(pathOfByteString(directory), { encoding: "latin1" as BufferEncoding });
    for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
      const path = `${directory}/${entry.name}`;
      if (entry.isDirectory()) left.push(path);
      else if (entry.isFile()) bytes += Number(findFile(path, "")?.stats.size ?? 0n);
      files += 1;
      if (files > SMALL_FILES || bytes > SMALL_BYTES) return false;
    }
  }
  return true;
}

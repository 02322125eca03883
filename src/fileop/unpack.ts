import { createReadStream } from "node:fs";
import { isVarveError } from "../core/index.ts";
import { decompress } from "../io/index.ts";
import { extractArchive, readTar } from "../layer/index.ts";
import type { Path } from "../linux/index.ts";
import type { UserId } from "./owner.ts";

export interface UnpackOptions {
  /** What the file is called in messages. */
  readonly what: string;
  /** Called before anything is written, once it is certain that there is an archive. */
  readonly prepare: () => void;
  /** The owner of all that is unpacked; the archive's if absent. */
  readonly owner: UserId | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Unpacks an archive into a directory; false, having done nothing, if the file is none. */
export async function unpack(file: Path, directory: Path, options: UnpackOptions): Promise<boolean> {
  const { what, prepare, owner, signal } = options;
  if (!(await isArchive(file, what))) return false;
  prepare();
  return (await extractArchive({ path: file }, directory, { owner, what, signal })) !== false;
}

/** True if the file, decompressed if need be, begins with the header of an archive's entry. */
async function isArchive(file: Path, what: string): Promise<boolean> {
  try {
    const tar = decompress(createReadStream(file), { format: "detect", what });
    for await (const _entry of readTar(tar, { what })) return true;
    return false;
  } catch (error) {
    // A format that needs a program which is missing is no reason to copy the archive as it is.
    if (isVarveError(error, "corrupt", "limit-exceeded")) return false;
    throw error;
  }
}

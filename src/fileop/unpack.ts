import { createReadStream } from "node:fs";
import { isVarveError } from "../core/index.ts";
import { decompress } from "../io/index.ts";
import { readTar } from "../layer/index.ts";
import type { Path } from "../linux/index.ts";
import type { UserId } from "./owner.ts";

type ExtractArchive = (
  file: Path,
  directory: Path,
  options: { readonly owner?: UserId; readonly signal?: AbortSignal },
) => Promise<false | object>;

export interface UnpackOptions {
  /** Called before anything is written, once it is certain that there is an archive. */
  readonly prepare: () => void;
  /** The owner of all that is unpacked; the archive's if absent. */
  readonly owner: UserId | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Unpacks an archive into a directory; false, having done nothing, if the file is none. */
export async function unpack(file: Path, directory: Path, { prepare, owner, signal }: UnpackOptions): Promise<boolean> {
  if (!(await isArchive(file))) return false;
  prepare();
  const extractArchive = Reflect.get(await import("../layer/index.ts"), "extractArchive") as ExtractArchive;
  const unpacked = await extractArchive(file, directory, {
    ...(owner === undefined ? {} : { owner }),
    ...(signal === undefined ? {} : { signal }),
  });
  return unpacked !== false;
}

/** True if the file, decompressed if need be, begins with the header of an archive's entry. */
async function isArchive(file: Path): Promise<boolean> {
  const what = "an archive";
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

import { extractArchive, isArchive } from "../layer/index.ts";
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
  await extractArchive({ path: file }, directory, { owner, what, signal });
  return true;
}

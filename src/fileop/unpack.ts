import { extractArchive, isArchive } from "../layer/index.ts";
import type { Path } from "../linux/index.ts";
import type { UserId } from "./owner.ts";

export interface UnpackOptions {
  /** The file's name in error messages. */
  readonly what: string;
  /** Called before anything is written, if the file is an archive. */
  readonly prepare: () => void;
  /** The owner of every unpacked entry. Defaults to the owner in the archive. */
  readonly owner: UserId | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Unpacks an archive into a directory. Returns false, without any change, if the file is not an archive. */
export async function unpack(file: Path, directory: Path, options: UnpackOptions): Promise<boolean> {
  const { what, prepare, owner, signal } = options;
  if (!(await isArchive(file, what))) return false;
  prepare();
  await extractArchive({ path: file }, directory, { owner, what, signal });
  return true;
}

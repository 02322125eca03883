import { chmod, constants, copyFile, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { ContentStore } from "../content/index.ts";
import type { Digest } from "../core/index.ts";
import { setOwner } from "../linux/index.ts";
import { type Hold, type RecordId, type Records, SCRATCH } from "../record/index.ts";

/** A file that is a whole tree. */
export interface SingleFile {
  /** The blob with its content, in the content store. */
  readonly digest: Digest;
  /** A single path element. */
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. 0 stands for 0600. */
  readonly mode: number;
  /** Seconds since 1970. */
  readonly time: number;
  readonly description: string;
}

/**
 * Returns a record that contains only a file.
 *
 * @throws {VarveError} `not-found` or `storage` for a blob that is lost (`isLostBlob`).
 */
export async function fileRecord(
  file: SingleFile,
  { content, records }: { readonly content: ContentStore; readonly records: Records },
  hold: Hold,
): Promise<RecordId> {
  const { digest, name, uid, gid, mode, time, description } = file;
  await using body = await content.openVerified(digest, hold);
  await using layer = await records.begin(SCRATCH, { description }, hold);
  const path = join(layer.path, name);
  await copyFile(body.path, path, constants.COPYFILE_FICLONE);
  setOwner(path, uid, gid);
  await chmod(path, mode === 0 ? 0o600 : mode);
  await utimes(path, time, time);
  return (await layer.commit()).id;
}

import { lstat } from "node:fs/promises";
import { VarveError, toVarveError } from "../core/index.ts";
import { damagedBlobOf } from "../content/index.ts";
import { type Bytes, writeOutput } from "../io/index.ts";
import { makeDirectories } from "../linux/index.ts";

/** Does what writes to `dest`. Throws `storage` where the system refuses. */
export async function writingTo<T>(dest: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toVarveError(error, `write ${dest}`, "storage");
  }
}

/** Makes a directory that a user names, and what is missing above it. Throws `storage`. */
export async function makeDestDirectory(dest: string): Promise<void> {
  await writingTo(dest, async () => makeDirectories(dest));
}

/**
 * Writes bytes or text to a path that a user names, or with `-` to standard output; see `writeOutput` of io. Throws `storage`.
 */
export async function writeDest(
  dest: string,
  data: string | Bytes,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  try {
    await writingTo(dest, () => writeOutput(dest === "-" ? "/dev/stdout" : dest, data, { signal }));
  } catch (error) {
    throw damagedBlobOf(error) === undefined || (await isReplaced(dest)) ? error : final(error as VarveError);
  }
}

/** Whether a failed write leaves a path as it was. What is written through has got some of the bytes. */
async function isReplaced(dest: string): Promise<boolean> {
  if (dest === "-") return false;
  const found = await lstat(dest).catch(() => undefined);
  return found === undefined || found.isFile();
}

/** The error without what says that it is worth doing the same again. */
function final(error: VarveError): VarveError {
  const { damaged: _damaged, ...details } = error.details;
  return new VarveError(error.code, error.message, {
    details,
    cause: error,
    hint: "What was written is not whole: write it again, to a file.",
  });
}

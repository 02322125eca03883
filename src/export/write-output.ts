import { toVarveError } from "../core/index.ts";
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
  await writingTo(dest, () => writeOutput(dest === "-" ? "/dev/stdout" : dest, data, { signal }));
}

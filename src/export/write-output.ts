import { lstat } from "node:fs/promises";
import { VarveError, isVarveError, toVarveError } from "../core/index.ts";
import { damagedBlobOf } from "../content/index.ts";
import { type Bytes, writeOutput } from "../io/index.ts";
import { makeDirectories } from "../linux/index.ts";
import type { StreamSink } from "./sinks.ts";

/**
 * Runs work that writes to `dest`.
 * @throws {VarveError} `storage` for an error of the system.
 */
export async function writingTo<T>(dest: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toVarveError(error, `write ${dest}`, "storage");
  }
}

/**
 * Makes a directory that a user names, and missing directories above it.
 * @throws {VarveError} `storage` for an error of the system.
 */
export async function makeDestDirectory(dest: string): Promise<void> {
  await writingTo(dest, async () => makeDirectories(dest));
}

/**
 * Writes bytes or text to a path that a user names, or to standard output if `dest` is `-`. A regular file is replaced as a
 * whole; devices, pipes, sockets and links are written through (see `writeOutput` in `io/`).
 * @throws {VarveError} `storage` for an error of the system; else what `data` throws.
 * @example
 * await writeDest("image.tar", archive, { signal });
 */
export async function writeDest(
  dest: string,
  data: string | Bytes,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  try {
    await writingTo(dest, () => writeOutput(dest === "-" ? "/dev/stdout" : dest, data, { signal }));
  } catch (error) {
    if (!isVarveError(error) || damagedBlobOf(error) === undefined || (await isReplaced(dest))) throw error;
    throw partialOutputError(error);
  }
}

/** Writes bytes to a sink. An error after the first bytes has no detail `damaged`, because a sink cannot start again. */
export async function writeToSink(
  sink: StreamSink,
  bytes: Bytes,
  metadata: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  let isStarted = false;
  const observed = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      isStarted = true;
      yield chunk;
    }
  };
  try {
    await sink.write(observed(), metadata);
  } catch (error) {
    if (!isStarted || !isVarveError(error) || damagedBlobOf(error) === undefined) throw error;
    throw partialOutputError(error);
  }
}

/** Returns the error for two platforms that write the same path. */
export function overwriteError(path: string, from: string, by: string): VarveError {
  const state = `cannot overwrite ${path} from ${from} with ${by} when split option is disabled`;
  return new VarveError("invalid-argument", `Cannot export: ${state}`);
}

/** True if a failed write leaves `dest` unchanged. Output that is written through has received some of the bytes. */
async function isReplaced(dest: string): Promise<boolean> {
  if (dest === "-") return false;
  const found = await lstat(dest).catch(() => undefined);
  return found === undefined || found.isFile();
}

/** Returns the error without the detail `damaged`, for which callers retry. */
function partialOutputError(error: VarveError): VarveError {
  const { damaged: _damaged, ...details } = error.details;
  return new VarveError(error.code, error.message, {
    details,
    cause: error,
    hint: "The output is incomplete. Run the command again, with a regular file as its output.",
  });
}

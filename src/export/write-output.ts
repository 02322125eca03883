import { createWriteStream } from "node:fs";
import { mkdir, realpath, stat } from "node:fs/promises";
import { finished } from "node:stream/promises";
import { toVarveError } from "../core/index.ts";
import { type Bytes, writeFileAtomic } from "../io/index.ts";

/** Makes the place of an output, and what is missing above it. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw toVarveError(error, `write to ${path}`, "storage");
  }
}

/**
 * Writes bytes to a file, or to standard output for `-`. A file is there whole or, after a failure, as it was before; a
 * device or a pipe gets the bytes as they come.
 */
export async function writeOutput(dest: string, bytes: Bytes): Promise<void> {
  try {
    if (dest === "-") await pour(bytes, process.stdout);
    else if (await isSpecial(dest)) await pourInto(dest, bytes);
    else await writeFileAtomic(await targetOf(dest), bytes);
  } catch (error) {
    throw toVarveError(error, `write ${dest}`, "storage");
  }
}

async function isSpecial(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && !found.isFile();
}

/** Where a link leads, so that it stays a link. */
async function targetOf(path: string): Promise<string> {
  return await realpath(path).catch(() => path);
}

async function pourInto(dest: string, bytes: Bytes): Promise<void> {
  const stream = createWriteStream(dest);
  try {
    await pour(bytes, stream);
    await finished(stream.end());
  } finally {
    stream.destroy();
  }
}

async function pour(bytes: Bytes, stream: NodeJS.WritableStream): Promise<void> {
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  stream.once("error", failed.reject);
  try {
    for await (const chunk of bytes) {
      if (!stream.write(chunk)) await Promise.race([drained(stream), failed.promise]);
    }
  } finally {
    stream.removeListener("error", failed.reject);
  }
}

async function drained(stream: NodeJS.WritableStream): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.once("drain", resolve);
  await promise;
}

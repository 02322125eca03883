import { type BigIntStats, fstatSync, read } from "node:fs";
import { promisify } from "node:util";
import { VarveError } from "../../core/index.ts";
import { fill, openFile } from "./same-file.ts";
import { quoted } from "../tar/format.ts";
import type { TreeFile } from "./tree.ts";

const readAsync = promisify(read);
/** Files up to this size are read in one go: for small ones a promise costs more than the reading. */
const SMALL = 262_144;
const CHUNK = 1_048_576;

/** True if the content is better read with `SmallFiles`. */
export function isSmall({ stats }: TreeFile): boolean {
  return stats.size <= SMALL;
}

/** Reads small files, one after the other, into one array. */
export class SmallFiles {
  readonly #buffer = Buffer.allocUnsafeSlow(SMALL);

  /** The content, until the next is read. Throws `busy` if the file is not, or is no longer, what `stats` says. */
  read(file: TreeFile): Buffer {
    using open = openFile(file);
    const size = fill(open.fd, this.#buffer.subarray(0, Number(file.stats.size)));
    checkUnchanged(file, size, fstatSync(open.fd, { bigint: true }));
    return this.#buffer.subarray(0, size);
  }
}

/** The content of a large file, read ahead by one chunk. Throws `busy` as `SmallFiles`. */
export async function* readLarge(file: TreeFile): AsyncGenerator<Buffer> {
  using open = openFile(file);
  let size = 0;
  let ahead = readChunk(open.fd);
  try {
    for (let chunk = await ahead; chunk.length > 0; chunk = await ahead) {
      size += chunk.length;
      if (size > file.stats.size) break;
      ahead = readChunk(open.fd);
      yield chunk;
    }
  } finally {
    // The descriptor must not be closed, and its number reused, under a running read.
    await ahead.catch(() => undefined);
  }
  checkUnchanged(file, size, fstatSync(open.fd, { bigint: true }));
}

function readChunk(fd: number): Promise<Buffer> {
  const promise = readAsync(fd, Buffer.allocUnsafe(CHUNK), 0, CHUNK, null).then(({ bytesRead, buffer }) =>
    buffer.subarray(0, bytesRead),
  );
  promise.catch(() => undefined);
  return promise;
}

function checkUnchanged({ path, stats }: TreeFile, size: number, now: BigIntStats): void {
  const isSame = now.ino === stats.ino && now.size === stats.size && now.mtimeNs === stats.mtimeNs;
  if (isSame && BigInt(size) === stats.size) return;
  throw new VarveError("busy", `Cannot read ${quoted(path)}: it changed meanwhile`);
}

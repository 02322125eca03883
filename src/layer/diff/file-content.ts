import { fstatSync, read } from "node:fs";
import { promisify } from "node:util";
import { VarveError } from "../../core/index.ts";
import { fill, openFile } from "./same-file.ts";
import { quoted } from "../tar/format.ts";
import type { FileStats, TreeFile } from "./tree.ts";

const readAsync = promisify(read);
/** Files up to this size are read synchronously, because a promise takes longer than reading them. Bytes. */
const SMALL = 262_144;
const CHUNK = 1_048_576;

/** Returns whether to read a file with `SmallFiles`. */
export function isSmall({ stats }: TreeFile): boolean {
  return stats.size <= SMALL;
}

/** Reads small files, one after the other, into the same buffer. */
export class SmallFiles {
  readonly #buffer = Buffer.allocUnsafeSlow(SMALL);

  /** Returns the content, which is valid until the next call. Throws `busy` if the file has changed since `stats`. */
  read(file: TreeFile): Buffer {
    using open = openFile(file);
    const size = fill(open.fd, this.#buffer.subarray(0, Number(file.stats.size)));
    checkUnchanged(file, size, fstatSync(open.fd, { bigint: true }));
    return this.#buffer.subarray(0, size);
  }
}

/** Returns the content of a large file, and reads one chunk ahead. Throws `busy` if the file has changed since `stats`. */
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
    // Wait for the read: its descriptor must not be closed, and the number reused, while it runs.
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

function checkUnchanged(
  { path, stats, content = stats }: TreeFile,
  size: number,
  now: Pick<FileStats, "ino" | "size" | "mtimeNs">,
): void {
  const isSame = now.ino === content.ino && now.size === content.size && now.mtimeNs === content.mtimeNs;
  if (isSame && BigInt(size) === content.size) return;
  throw new VarveError("busy", `Cannot read ${quoted(path)}: it has changed in the meantime`);
}

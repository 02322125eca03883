/** Trees to make layers of: the same bytes in every run. */
import { createHash } from "node:crypto";
import { mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";

const MEBIBYTE = 1_048_576;
const WORDS = Array.from({ length: 4096 }, (_, at) =>
  createHash("sha256")
    .update(`${at}`)
    .digest("hex")
    .slice(0, 3 + (at % 9)),
);

/** Numbers that look random, from 0 up to but without `below`. */
function numbers(): (below: number) => number {
  let state = 20_260_101;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Text of which gzip makes less than half. */
function text(size: number, next: (below: number) => number): Buffer {
  const words: string[] = [];
  for (let length = 0; length < size; length += (words.at(-1)?.length ?? 0) + 1) words.push(WORDS[next(4096)] ?? "");
  return Buffer.from(words.join(" ")).subarray(0, size);
}

/** Text in files of 64 MiB. */
export async function fillWithLarge(directory: string, files = 8): Promise<void> {
  const next = numbers();
  const pool = Array.from({ length: 32 }, () => text(MEBIBYTE, next));
  for (let file = 0; file < files; file += 1) {
    await using handle = await open(join(directory, `file-${file}`), "w");
    for (let at = 0; at < 64; at += 1) await handle.writeFile(pool[next(pool.length)] as Buffer);
  }
}

/** 10,000 files of some KiB in a hundred directories. */
export async function fillWithSmall(directory: string): Promise<void> {
  const next = numbers();
  const pool = Array.from({ length: 32 }, () => text(MEBIBYTE, next));
  for (let file = 0; file < 10_000; file += 1) {
    const parent = join(directory, `${Math.floor(file / 100)}`);
    if (file % 100 === 0) await mkdir(parent);
    const from = next(MEBIBYTE - 8192);
    const content = pool[next(pool.length)]?.subarray(from, from + 200 + next(7800)) as Buffer;
    await writeFile(join(parent, `file-${file}`), content);
  }
}

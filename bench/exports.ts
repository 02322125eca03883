/** What it costs to hash blobs again as they leave the store: an archive of one, beside the same of bytes that nobody verifies. */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { type ContentStore, openContentStore } from "../src/content/index.ts";
import type { Digest } from "../src/core/index.ts";
import { type Bytes, writeFileAtomic } from "../src/io/index.ts";
import { writeTar } from "../src/layer/index.ts";
import { openState } from "../src/state/index.ts";
import type { Scenario } from "./measure.ts";

const ROUNDS = 9;
const SIZE = 400 * 1_048_576;
const PIECE = 16 * 1_048_576;
const CHUNK = 262_144;

export function exportScenario(folder: string): Scenario {
  const root = join(folder, "exports");
  mkdirSync(root);
  const state = openState(join(root, "state.db"));
  const store = openContentStore(root, state);
  const archive = join(folder, "exported.tar");
  let written: Promise<Digest> | undefined;
  const prepare = async (): Promise<void> => {
    await (written ??= store.put(noise()).then(({ digest }) => digest));
    await rm(archive, { force: true });
  };
  const run = (open: (digest: Digest) => Bytes) => async (): Promise<void> => {
    const bytes = open(await (written as Promise<Digest>));
    await writeFileAtomic(archive, writeTar([{ path: "blob", body: { size: SIZE, bytes } }]));
  };
  return {
    name: "archive of a blob of 400 MiB",
    rounds: ROUNDS,
    contenders: [
      { name: "verified", prepare, run: run((digest) => store.open(digest)) },
      { name: "not verified", prepare, run: run((digest) => plain(store, digest)) },
    ],
  };
}

async function* noise(): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < SIZE; at += PIECE) yield await Promise.resolve(randomBytes(PIECE));
}

/** The file as it is, chunk by chunk. */
async function* plain(store: ContentStore, digest: Digest): AsyncGenerator<Uint8Array> {
  await using file = await open(store.path(digest), "r");
  for (let at = 0; ;) {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** What the layer engine is measured at. */
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { openContentStore } from "../src/content/index.ts";
import type { Digest } from "../src/core/index.ts";
import { applyLayer, createLayer, diffTrees } from "../src/layer/index.ts";
import { openState } from "../src/state/index.ts";

const CHUNK = 262_144;

/** The difference, gzip, both digests, and durably into a content store. */
export async function createBlob(tree: string, out: string): Promise<void> {
  const state = openState(join(out, "state.db"));
  try {
    const { bytes, result } = createLayer(diffTrees({ upper: tree }), { compression: "gzip" });
    await openContentStore(out, state).put(bytes, { ref: "layer" });
    await result;
  } finally {
    state.close();
  }
}

/** Decompressed, held to the archive's digest, into a directory. */
export async function unpackBlob(blob: string, out: string, diffId: Digest): Promise<void> {
  await applyLayer(createReadStream(blob, { highWaterMark: CHUNK }), out, { format: "plain", diffId });
}

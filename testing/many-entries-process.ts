/**
 * Makes a tree of 100,000 entries over an empty one, a layer of it, a tree of the layer in either format, and layers of these.
 * Writes as JSON how many entries there were, the MiB of memory that all took, and whether the layers are the same.
 */
import { createReadStream, createWriteStream, linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { digestBytes } from "../src/io/index.ts";
import { applyLayer, diffOverlay, diffTrees, packTree, readTar } from "../src/layer/index.ts";
import { OverlayStack } from "./overlays.ts";

/** In one directory; names of one file; and in directories of a hundred. */
const [WIDE, LINKS, SPREAD] = [30_000, 20_000, 50_000];

function makeTree(root: string): void {
  mkdirSync(`${root}/wide`);
  for (let at = 0; at < WIDE; at += 1) writeFileSync(`${root}/wide/${at}`, "");
  mkdirSync(`${root}/links`);
  writeFileSync(`${root}/links/first`, "one file");
  for (let at = 1; at < LINKS; at += 1) linkSync(`${root}/links/first`, `${root}/links/${at}`);
  for (let at = 0; at < SPREAD; at += 1) {
    const directory = `${root}/spread/${Math.floor(at / 100)}`;
    if (at % 100 === 0) mkdirSync(directory, { recursive: true });
    if (at % 10 === 0) symlinkSync("../target", `${directory}/${at}`);
    else writeFileSync(`${directory}/${at}`, String(at));
  }
}

await using stack = await OverlayStack.open();
const { lower, upper, view } = stack.push();
makeTree(view);
const layer = `${stack.make("layer")}/tar`;
await pipeline(diffOverlay({ lower, upper }), createWriteStream(layer));
const [plain, overlay] = [stack.make("plain"), stack.make("overlay")];
await applyLayer(createReadStream(layer), plain, { format: "plain" });
await applyLayer(createReadStream(layer), overlay, { format: "overlay", lowerView: lower });
const archives = [createReadStream(layer), diffTrees({ lower, upper: view }), packTree(plain), packTree(overlay)];
const digests = new Set<string>();
for (const archive of archives) digests.add((await digestBytes(archive)).digest);
let entries = 0;
for await (const _entry of readTar(createReadStream(layer))) entries += 1;
const peak = Math.ceil(process.resourceUsage().maxRSS / 1024);
console.log(JSON.stringify({ entries, peak, same: digests.size === 1 }));

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { needsRoot, OverlayStack } from "../../testing/overlays.ts";
import { rawArchive, rawEntry, rawPax } from "../../testing/raw-tar.ts";
import { describeTree, makeDeepTree } from "../../testing/trees.ts";
import { isVarveError } from "../core/index.ts";
import { bytesOf, collect, digestBytes, temporaryDirectory } from "../io/index.ts";
import { hasCapability } from "../linux/index.ts";
import { applyLayer, diffOverlay, packTree } from "./index.ts";

const PROGRAM = fileURLToPath(new URL("../../testing/many-entries-process.ts", import.meta.url));
/** MiB of V8's heap; and of all memory that the process may have had, its code included. */
const [HEAP, MOST] = [192, 320];

test("100,000 entries go through diff, layer and both formats the same, in bounded memory", (t) => {
  if (!needsRoot(t)) return;
  const output = execFileSync(process.execPath, [`--max-old-space-size=${HEAP}`, PROGRAM], { encoding: "utf8" });
  const { entries, peak, same } = JSON.parse(output) as { entries: number; peak: number; same: boolean };
  assert.ok(entries > 100_000, `${entries} entries`);
  assert.ok(same);
  assert.ok(peak < MOST, `${peak} MiB`);
});

test("a thousand directories, one in the other, go through both formats", async (t) => {
  if (!needsRoot(t)) return;
  await using stack = await OverlayStack.open();
  const { lower, upper, view } = stack.push();
  const deep = `${view}${"/d".repeat(1000)}`;
  mkdirSync(deep, { recursive: true });
  writeFileSync(`${deep}/file`, "deep");
  const layer = await collect(diffOverlay({ lower, upper }), 1e8, { what: "the layer" });
  const wanted = describeTree(view);
  const [plain, overlay] = [stack.make("plain"), stack.make("overlay")];
  await applyLayer(bytesOf(layer), plain, { format: "plain" });
  await applyLayer(bytesOf(layer), overlay, { format: "overlay", lowerView: lower });
  assert.equal(wanted.length, 1001);
  for (const tree of [plain, overlay]) assert.deepEqual(describeTree(tree), wanted);
});

test("a tree deeper than PATH_MAX is refused, whether it is read or written", async () => {
  await using directory = await temporaryDirectory();
  const root = `${directory.path}/root`;
  mkdirSync(root);
  // Node cannot remove such a tree.
  using _removal = { [Symbol.dispose]: () => void execFileSync("rm", ["-rf", root]) };
  makeDeepTree(root);
  await assert.rejects(digestBytes(packTree(root)), (error) => isVarveError(error, "limit-exceeded"));
  const archive = rawArchive(rawPax({ path: "n/".repeat(2049) }), rawEntry({ typeFlag: "5" }));
  const options = { format: "plain", chown: hasCapability("chown") } as const;
  await assert.rejects(applyLayer(bytesOf(archive), directory.path, options), (error) =>
    isVarveError(error, "limit-exceeded"),
  );
});

/** Layers of generated trees, unpacked by others; archives of generated trees, made by others. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { bytesOf, collect, digestBytes } from "../../src/io/index.ts";
import { applyLayer, diffOverlay } from "../../src/layer/index.ts";
import { OverlayStack } from "../../testing/overlays.ts";
import { peersMissing } from "../../testing/peers.ts";
import { type TreeOp, describeTree, hasUnchangedCopies, perform, runs, treeOps } from "../../testing/trees.ts";

/** Puts a blob into an OCI layout and describes it. */
async function put(layout: string, data: Uint8Array, mediaType: string): Promise<Record<string, unknown>> {
  const { digest, size } = await digestBytes(bytesOf(data));
  writeFileSync(join(layout, "blobs/sha256", digest.slice("sha256:".length)), data);
  return { mediaType, digest, size };
}

/** An image of these layers as an OCI layout, tagged "1". */
async function writeLayout(layout: string, layers: readonly Uint8Array[]): Promise<void> {
  mkdirSync(join(layout, "blobs/sha256"), { recursive: true });
  const oci = "application/vnd.oci.image";
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const stored = await Promise.all(layers.map((layer) => put(layout, layer, `${oci}.layer.v1.tar`)));
  const rootfs = { type: "layers", diff_ids: stored.map(({ digest }) => digest) };
  const config = await put(layout, json({ architecture: "amd64", os: "linux", rootfs }), `${oci}.config.v1+json`);
  const manifest = { schemaVersion: 2, mediaType: `${oci}.manifest.v1+json`, config, layers: stored };
  const descriptor = await put(layout, json(manifest), manifest.mediaType);
  const tagged = { ...descriptor, annotations: { "org.opencontainers.image.ref.name": "1" } };
  writeFileSync(join(layout, "index.json"), json({ schemaVersion: 2, manifests: [tagged] }));
  writeFileSync(join(layout, "oci-layout"), json({ imageLayoutVersion: "1.0.0" }));
}

test("umoci unpacks layers of generated trees as they are", { skip: peersMissing("umoci") }, async () => {
  const property = fc.asyncProperty(treeOps(30), treeOps(30), async (first, second) => {
    await using stack = await OverlayStack.open();
    const layers: Buffer[] = [];
    for (const ops of [first, second]) {
      const { lower, upper, view } = stack.push();
      for (const op of ops) perform(view, op);
      fc.pre(!hasUnchangedCopies(lower, upper));
      layers.push(await collect(diffOverlay({ lower, upper }), 1e8, { what: "the layer" }));
    }
    const layout = stack.make("layout");
    await writeLayout(layout, layers);
    const unpacked = stack.make("unpacked");
    execFileSync("umoci", ["raw", "unpack", "--image", `${layout}:1`, unpacked], { stdio: "pipe" });
    assert.deepEqual(describeTree(unpacked), describeTree(stack.view));
  });
  await fc.assert(property, { numRuns: runs(15) });
});

const FORMATS = {
  "PAX, sparse": ["--format=posix", "--xattrs", "--xattrs-include=*", "--sparse"],
  GNU: ["--format=gnu"],
  "GNU, sparse": ["--format=gnu", "--sparse"],
} as const;

/** The second name of a file has no attributes of its own in the archive. */
const LINKED_CAPABILITY: TreeOp[] = [
  { op: "write", path: "c", content: "" },
  { op: "link", path: "a", to: "c" },
  { op: "capability", path: "a" },
];

/** GNU tar does not tell which pipes and devices are one. */
function described(tree: string): string[] {
  const lines = describeTree(tree, { directoryTimes: true });
  return lines.map((line) => line.replace(/(?<=" [126][0-7]{4} .*) is ".*"$/, ""));
}

for (const [format, options] of Object.entries(FORMATS)) {
  test(`GNU tar's archives of generated trees: ${format}`, { skip: peersMissing("tar") }, async () => {
    const property = fc.asyncProperty(treeOps(40), async (ops) => {
      await using stack = await OverlayStack.open();
      for (const op of ops) {
        // GNU tar has attributes in PAX only.
        if (options[0] === "--format=posix" || op.op !== "capability") perform(stack.view, op);
      }
      const archive = execFileSync("tar", [...options, "-C", stack.view, "-cf", "-", "."], { maxBuffer: 1e8 });
      const wanted = described(stack.view);
      const plain = stack.make("plain");
      await applyLayer(bytesOf(archive), plain, { format: "plain" });
      assert.deepEqual(described(plain), wanted);
      const upper = stack.make("upper");
      await applyLayer(bytesOf(archive), upper, { format: "overlay", lowerView: stack.make("empty") });
      assert.deepEqual(described(upper), wanted);
    });
    await fc.assert(property, { numRuns: runs(25), examples: [[LINKED_CAPABILITY]] });
  });
}

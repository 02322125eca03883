import assert from "node:assert/strict";
import { readFile, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type Digest, digestHex, digestOf } from "../../core/index.ts";
import { temporaryDirectory } from "../../io/index.ts";
import { chainExport, toyHold, toyLayer, toySource } from "../../../testing/toy-exports.ts";
import {
  type CacheGraph,
  type ExportedGraph,
  type LayerSource,
  type LayoutTargetOptions,
  readCache,
  layoutOrigin,
  layoutTarget,
  lockLayout,
  pruneLayoutTarget,
} from "../index.ts";
import { collectLayout } from "./layout-collect.ts";
import { readLayoutIndex } from "./layout-files.ts";
import { existingInLayout } from "./layout-target.ts";
import type { CacheContents } from "./scopes.ts";

interface Writing {
  readonly scope?: string;
  readonly lost?: ReadonlySet<Digest>;
  readonly options?: Partial<LayoutTargetOptions>;
}

async function write(directory: string, exported: ExportedGraph, { scope = "a", lost, options }: Writing = {}) {
  const warnings: string[] = [];
  const { asked, source } = toySource(lost);
  const warn = (message: string): void => void warnings.push(message);
  const defaults = { directory, tag: "latest", form: "manifest", source, reset: false, grace: 600_000, warn } as const;
  const descriptor = await layoutTarget({ ...defaults, ...options }).write(exported, scope, toyHold);
  return { descriptor, warnings, asked };
}

async function read(directory: string, tag = "latest"): Promise<CacheContents> {
  const { contents } = await existingInLayout(directory, tag, assert.fail);
  assert.ok(contents);
  return contents;
}

const digestsOf = (graph: CacheGraph): Set<string> => new Set([...graph.nodes()].map(({ digest }) => digest));
const blobsOf = async (directory: string): Promise<string[]> => await readdir(join(directory, "blobs", "sha256"));

/** Has every blob look as if it had been written long ago. */
async function age(directory: string): Promise<void> {
  for (const name of await blobsOf(directory)) await utimes(join(directory, "blobs", "sha256", name), 1, 1);
}

test("a layout holds one entry a tag; a second export under a tag replaces it, other tags stay", async () => {
  await using fixture = await temporaryDirectory();
  await write(fixture.path, chainExport("base", ["one"]));
  await write(fixture.path, chainExport("base", ["other"]), { options: { tag: "other" } });
  const { descriptor } = await write(fixture.path, chainExport("base", ["one", "two"]));
  const index = JSON.parse(await readFile(join(fixture.path, "index.json"), "utf8")) as Record<string, unknown>;
  assert.equal(index["schemaVersion"], 2);
  assert.equal(index["mediaType"], "application/vnd.oci.image.index.v1+json");
  const entries = await readLayoutIndex(fixture.path);
  assert.deepEqual(
    entries.map(({ digest, annotations }) => [digest === descriptor?.digest, annotations]),
    [
      [false, { "org.opencontainers.image.ref.name": "other" }],
      [true, { "org.opencontainers.image.ref.name": "latest" }],
    ],
  );
  assert.equal(await readFile(join(fixture.path, "oci-layout"), "utf8"), '{"imageLayoutVersion":"1.0.0"}');
  assert.deepEqual(
    digestsOf((await read(fixture.path)).graph),
    new Set(["root base", "step one", "step two"].map((text) => digestOf(text))),
  );
  assert.ok(!(await readdir(fixture.path)).includes("index.json.lock"));
});

test("an import of what was exported has every record", async () => {
  await using fixture = await temporaryDirectory();
  for (const scope of ["a", "b"]) await write(fixture.path, chainExport("base", ["common", scope]), { scope });
  const graphs = await readCache(layoutOrigin(fixture.path, { tag: "latest" }));
  assert.deepEqual(
    graphs.map((graph) => digestsOf(graph)),
    [new Set(["root base", "step common", "step a", "step b"].map((text) => digestOf(text)))],
  );
});

test("the same export again writes nothing", async () => {
  await using fixture = await temporaryDirectory();
  const first = await write(fixture.path, chainExport("base", ["one", "two"]));
  await utimes(join(fixture.path, "index.json"), 1, 1);
  const second = await write(fixture.path, chainExport("base", ["one", "two"]));
  assert.deepEqual(second, { descriptor: first.descriptor, warnings: [], asked: [] });
  const index = await import("node:fs/promises").then(({ stat }) => stat(join(fixture.path, "index.json")));
  assert.equal(index.mtimeMs, 1000);
});

test("writers at once lose nothing of each other", async () => {
  await using fixture = await temporaryDirectory();
  const scopes = Array.from({ length: 12 }, (_, index) => `scope ${index}`);
  await Promise.all(scopes.map((scope) => write(fixture.path, chainExport("base", ["common", scope]), { scope })));
  const { generations, graph } = await read(fixture.path);
  assert.deepEqual(generations.map(({ scope }) => scope).sort(), scopes.toSorted());
  assert.equal(graph.size, 14);
});

test("what broke off between blobs and index shows nothing, and goes on with what is missing", async () => {
  await using fixture = await temporaryDirectory();
  await write(fixture.path, chainExport("base", ["old"]));
  const before = await readFile(join(fixture.path, "index.json"), "utf8");
  const exported = chainExport("base", ["one", "two", "three"]);
  const inner = toySource().source;
  async function* failing(...[layer, offset]: Parameters<LayerSource>): AsyncGenerator<Uint8Array> {
    if (layer.digest === toyLayer("base three").digest) throw new Error("power cut");
    yield* inner(layer, offset);
  }
  await assert.rejects(write(fixture.path, exported, { options: { source: failing } }), /power cut/);
  assert.equal(await readFile(join(fixture.path, "index.json"), "utf8"), before);
  const { asked } = await write(fixture.path, exported);
  assert.ok(asked.length >= 1 && asked.length < 3, `asked for ${asked.length}`);
  assert.ok(asked.includes(toyLayer("base three").digest));
});

test("a blob of the wrong size is written anew; one that can be had nowhere costs the results that need it", async () => {
  await using fixture = await temporaryDirectory();
  await write(fixture.path, chainExport("base", ["theirs"]), { scope: "theirs" });
  const path = (text: string): string => join(fixture.path, "blobs", "sha256", digestHex(toyLayer(text).digest));
  await rm(path("base theirs"));
  await writeFile(path("base mine"), "short");
  const { warnings } = await write(fixture.path, chainExport("base", ["mine", "lost"]), {
    lost: new Set([toyLayer("base lost").digest]),
  });
  assert.equal(warnings.length, 1);
  assert.equal(digestOf(await readFile(path("base mine"))), toyLayer("base mine").digest);
  const counts = [...(await read(fixture.path)).graph.nodes()].map(
    ({ digest, results }) => [digest, results.length] as const,
  );
  assert.deepEqual(
    ["theirs", "mine", "lost"].map((step) => new Map(counts).get(digestOf(`step ${step}`))),
    [0, 1, 0],
  );
});

test("reset leaves one's own records only, and removes what neither the index nor the one before needs", async () => {
  await using fixture = await temporaryDirectory();
  const reset = { reset: true };
  await write(fixture.path, chainExport("base", ["other"]), { options: { tag: "other" } });
  await write(fixture.path, chainExport("base", ["first"]), { scope: "b" });
  await age(fixture.path);
  await write(fixture.path, chainExport("base", ["second"]), { options: reset });
  assert.deepEqual(
    (await read(fixture.path)).generations.map(({ scope }) => scope),
    ["a"],
  );
  const names = await blobsOf(fixture.path);
  const layer = (step: string): string => digestHex(toyLayer(`base ${step}`).digest);
  assert.ok(names.includes(layer("first")), "readers may hold the index before");
  await age(fixture.path);
  await write(fixture.path, chainExport("base", ["third"]), { options: reset });
  await age(fixture.path);
  const left = await blobsOf(fixture.path);
  assert.deepEqual(
    ["other", "first", "second", "third"].map((step) => left.includes(layer(step))),
    [true, false, true, true],
  );
});

test("a directory stays as small as what its generations need, and a reader finds all that it has read of", async () => {
  await using fixture = await temporaryDirectory();
  const counts: number[] = [];
  const reader: string[] = [];
  for (let run = 0; run < 8; run += 1) {
    await write(fixture.path, chainExport("base", [`step ${run}`]));
    if (run === 2) reader.push(...(await blobsOf(fixture.path)));
    const left = await blobsOf(fixture.path);
    // Within the grace, nothing is removed that an index needed a moment ago.
    if (run < 5)
      assert.deepEqual(
        reader.filter((name) => !left.includes(name)),
        [],
        `run ${run}`,
      );
    if (run >= 5) await age(fixture.path);
    counts.push(left.length);
  }
  assert.ok((counts.at(-1) ?? 0) < (counts[4] ?? 0), counts.join());
  for (let run = 8; run < 10; run += 1) {
    await write(fixture.path, chainExport("base", [`step ${run}`]), { options: { grace: undefined } });
    await age(fixture.path);
  }
  assert.ok((await blobsOf(fixture.path)).length > (counts.at(-1) ?? 0), "off");
  await write(fixture.path, chainExport("base", ["step 10"]), { options: { grace: 0 } });
  assert.ok((await blobsOf(fixture.path)).length <= (counts.at(-1) ?? 0), "at once");
});

test("a collection keeps young blobs, and waits for readers", async () => {
  await using fixture = await temporaryDirectory();
  await write(fixture.path, chainExport("base", ["one"]));
  await rm(join(fixture.path, "index.json"));
  const count = (await blobsOf(fixture.path)).length;
  assert.deepEqual(await collectLayout(fixture.path, { before: [] }), { blobs: 0, bytes: 0 });
  const reader = await lockLayout(fixture.path, "shared", undefined);
  using _second = await lockLayout(fixture.path, "shared", undefined);
  const aborted = AbortSignal.timeout(100);
  await assert.rejects(lockLayout(fixture.path, "exclusive", aborted), /cancelled/);
  reader[Symbol.dispose]();
  const { blobs } = await collectLayout(fixture.path, { before: [], grace: -1 });
  assert.equal(blobs, count);
});

test("an index that cannot be read is left alone", async () => {
  await using fixture = await temporaryDirectory();
  await writeFile(join(fixture.path, "index.json"), "not JSON");
  await assert.rejects(write(fixture.path, chainExport("base", ["one"])), /Cannot read/);
  assert.equal(await readFile(join(fixture.path, "index.json"), "utf8"), "not JSON");
});

test("pruning keeps the newest generation of each scope, and removes blobs that nothing needs", async () => {
  await using fixture = await temporaryDirectory();
  for (const step of ["one", "two"]) await write(fixture.path, chainExport("base", [step]));
  await write(fixture.path, chainExport("base", ["other"]), { scope: "b" });
  assert.deepEqual(await pruneLayoutTarget(fixture.path, { generations: 2 }), {
    generations: 0,
    records: 0,
    blobs: 0,
    bytes: 0,
  });
  const { blobs, ...lost } = await pruneLayoutTarget(fixture.path, { grace: -1 });
  assert.deepEqual([lost.generations, lost.records], [1, 1]);
  // A layer, and config and manifest of three documents.
  assert.equal(blobs, 7);
  const { graph } = await read(fixture.path);
  assert.ok(!digestsOf(graph).has(digestOf("step one")));
  assert.deepEqual(
    new Set(digestsOf(graph)),
    new Set(["root base", "step two", "step other"].map((text) => digestOf(text))),
  );
  await pruneLayoutTarget(fixture.path, { scopes: [], grace: -1 });
  assert.deepEqual([await readLayoutIndex(fixture.path), await blobsOf(fixture.path)], [[], []]);
});

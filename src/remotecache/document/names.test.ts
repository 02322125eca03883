import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { assert as check, property, shuffledSubarray, string } from "fast-check";
import { digestOf } from "../../core/index.ts";
import { resultNamed } from "../../../testing/cache-documents.ts";
import { CacheGraph, configOf, encodeCacheConfig, graphOf, normalizeStepName, parseCacheConfig } from "../index.ts";

/** A base and steps on it, with names. */
function named(...names: readonly (string | undefined)[]): CacheGraph {
  const graph = new CacheGraph();
  const base = graph.add(digestOf("base"), []);
  const link = [[{ selector: "", node: base }]];
  for (const [at, name] of names.entries())
    graph.add(digestOf(`step ${at}`), link, [resultNamed(at + 1, `layer ${at}`)], { name });
  return graph;
}

const read = (text: string): readonly string[] => parseCacheConfig(Buffer.from(text)).names;
const written = (graph: CacheGraph): string => Buffer.from(encodeCacheConfig(configOf(graph).config)).toString();

test("names are written with the records and read back; the rest of the document stays as it is", () => {
  const document = written(named("RUN npm ci", undefined, "COPY . ."));
  const config = parseCacheConfig(Buffer.from(document));
  const layers = new Map(configOf(named("")).layers.map((layer) => [layer.digest, layer]));
  const names = [...graphOf(config, layers).nodes()].flatMap(({ name }) => name ?? []);
  assert.deepEqual(names.sort(), ["COPY . .", "RUN npm ci"]);
  const { varve, ...rest } = JSON.parse(document) as Record<string, unknown>;
  assert.deepEqual(Object.keys(varve as object), ["scopes", "names"]);
  assert.equal(JSON.stringify(rest), written(named(undefined, undefined, undefined)));
});

test("no names, no member: what BuildKit wrote is written back byte for byte", async () => {
  const bytes = await readFile("testing/fixtures/keys/cacheconfig/a-max.json");
  const manifest = await readFile("testing/fixtures/remotecache/manifests/a-max-imagemanifest.json");
  const { config } = JSON.parse(manifest.toString()) as { config: { digest: string } };
  assert.equal(digestOf(encodeCacheConfig(parseCacheConfig(bytes))), config.digest);
});

test("names that are malformed, too many or too long cost nothing but themselves", () => {
  const scopes = '"scopes":[{"id":"a","tops":[0],"at":"2020-01-01T00:00:00Z"}]';
  for (const names of ["1", "{}", "[1]", '["a","b"]', `["${"x".repeat(201)}"]`]) {
    const config = parseCacheConfig(Buffer.from(`{"records":[{}],"varve":{${scopes},"names":${names}}}`));
    assert.deepEqual(config.names, [], names);
    assert.equal(config.scopes.length, 1);
  }
  assert.deepEqual(read('{"records":[{}],"varve":{"scopes":1,"names":["a"]}}'), ["a"]);
  assert.deepEqual(read('{"records":[{}],"varve":[]}'), []);
});

test("of several names the same one stays, in whatever order graphs are united", () => {
  const graphs = ["RUN b", "RUN a", undefined, "RUN c"].map((name) => named(name, "COPY x"));
  check(
    property(shuffledSubarray(graphs, { minLength: 4 }), (order) => {
      const all = new CacheGraph();
      for (const graph of order) all.merge(graph);
      const names = [...all.nodes()].flatMap(({ name }) => name ?? []).sort();
      assert.deepEqual(names, ["COPY x", "RUN a"]);
    }),
  );
});

test("a name is one short line of well-formed text", () => {
  assert.equal(normalizeStepName("RUN set -e\n  mkdir x\n"), "RUN set -e mkdir x");
  assert.equal(normalizeStepName(" \n "), undefined);
  check(
    property(string({ unit: "binary", maxLength: 400 }), (text) => {
      const name = normalizeStepName(text) ?? "x";
      assert.ok(name.length <= 200 && name.isWellFormed() && name === normalizeStepName(name), name);
    }),
  );
});

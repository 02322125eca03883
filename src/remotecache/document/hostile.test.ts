import assert from "node:assert/strict";
import { test } from "node:test";
import { type Descriptor, type Digest, GO_ZERO_TIME, Limits, isVarveError } from "../../core/index.ts";
import { layerNamed } from "../../../testing/cache-documents.ts";
import { type CacheConfig, type ConfigRecord, MAX_CONFIG, encodeCacheConfig, parseCacheConfig } from "./config.ts";
import { CacheGraph } from "./graph.ts";
import { graphOf } from "./read-graph.ts";
import { configOf } from "./write-graph.ts";

const MANY = 100_000;
const one = layerNamed("one");
const known = new Map<Digest, Descriptor>([[one.digest, one]]);

const record = (changes: Partial<ConfigRecord>): ConfigRecord => ({
  digest: "",
  results: [],
  chains: [],
  inputs: [],
  ...changes,
});
const links = (...indices: readonly number[]): { selector: string; link: number }[] =>
  indices.map((link) => ({ selector: "", link }));
const config = (records: readonly ConfigRecord[], layers: CacheConfig["layers"] = []): CacheConfig => ({
  layers,
  records,
  scopes: [],
  names: [],
});
const numbers = Array.from({ length: MANY }, (_, at) => at);

function load(document: CacheConfig): CacheGraph {
  return graphOf(parseCacheConfig(encodeCacheConfig(document)), known);
}

test("a chain of a hundred thousand records, deepest first, is read and written", () => {
  const records = numbers.map((at) => record({ digest: `op${at}`, inputs: at === MANY - 1 ? [] : [links(at + 1)] }));
  const graph = load(config(records));
  assert.equal(graph.size, MANY);
  const written = configOf(graph).config;
  assert.equal(written.records.length, MANY);
  assert.deepEqual(configOf(load(written)).config, written);
});

test("a loop of a hundred thousand records is refused, also among those that nothing needs", () => {
  const loop = numbers.map((at) => record({ digest: `op${at}`, inputs: [links((at + 1) % MANY)] }));
  assert.throws(() => load(config([record({ digest: "fine" }), ...loop.map(shift)])), /invalid looping record/);
});

function shift({ inputs, ...rest }: ConfigRecord): ConfigRecord {
  return { ...rest, inputs: inputs.map((list) => list.map(({ selector, link }) => ({ selector, link: link + 1 }))) };
}

test("a hundred thousand equal records are one, and so are those made of any of them", () => {
  const records = numbers.map((at) => record({ digest: "same", inputs: at === 0 ? [] : [links(at - 1, 0)] }));
  assert.equal(load(config(records)).size, 2);
});

test("one input of a hundred thousand alternatives, and a hundred thousand inputs, are read", () => {
  const roots = numbers.map((at) => record({ digest: `root${at}` }));
  const wide = record({ digest: "wide", inputs: [links(...numbers)] });
  const broad = record({ digest: "broad", inputs: numbers.map((at) => links(at)) });
  assert.equal(load(config([...roots, wide, wide, broad, broad])).size, MANY + 2);
  const graph = new CacheGraph();
  const root = [{ selector: "", node: graph.add("root", []) }];
  const widest = Array.from({ length: 2 * MANY }, () => root);
  assert.equal(graph.add("widest", widest), graph.add("widest", widest));
});

test("a chain of a hundred thousand layers makes no result; looking at every layer of it costs no more than once", () => {
  const layers = numbers.map((at) => ({ blob: one.digest, parent: at - 1 }));
  const records = numbers.map((at) =>
    record({ digest: `d${at}`, results: [{ layer: MANY - 1 - at, createdAt: GO_ZERO_TIME }] }),
  );
  const graph = load(config(records, layers));
  const usable = [...graph.nodes()].filter(({ results }) => results.length > 0);
  assert.equal(usable.length, Limits.layers);
});

test("a loop of layers is refused when a result needs it, whichever way in", () => {
  const layers = numbers.map((at) => ({ blob: one.digest, parent: (at + 1) % MANY }));
  const result = record({ digest: "d", results: [{ layer: 7, createdAt: GO_ZERO_TIME }] });
  assert.throws(() => load(config([result], layers)), /invalid looping layer/);
  assert.equal(load(config([record({ digest: "d" })], layers)).size, 1);
});

test("results whose layers would fill memory are refused", () => {
  const chain = Array.from({ length: Limits.layers }, () => 0);
  const result = record({ chains: Array.from({ length: 5_000 }, () => ({ layers: chain, createdAt: GO_ZERO_TIME })) });
  assert.throws(
    () => load(config([result], [{ blob: one.digest, parent: -1 }])),
    (error) => isVarveError(error, "limit-exceeded"),
  );
});

test("a config of more values than memory would hold is refused before it is parsed", () => {
  for (const value of ["{}", "null", "[]"]) {
    const document = Buffer.from(`{"records":[${`${value},`.repeat(2_000_000)}${value}]}`);
    assert.throws(() => parseCacheConfig(document), { code: "limit-exceeded" }, value);
  }
});

test("a config larger than its limit, or nested too deep, is refused", () => {
  assert.throws(() => parseCacheConfig(Buffer.alloc(MAX_CONFIG + 1, " ")), { code: "limit-exceeded" });
  const nested = `{"other":${"[".repeat(MANY)}${"]".repeat(MANY)}}`;
  assert.throws(() => parseCacheConfig(Buffer.from(nested)), { code: "limit-exceeded" });
});

test("names out of objects' prototypes are fields like others", () => {
  const document =
    '{"__proto__":{"records":[1]},"constructor":1,"records":[{"digest":"__proto__"},{"digest":"__proto__"}]}';
  assert.equal(graphOf(parseCacheConfig(Buffer.from(document)), known).size, 1);
});

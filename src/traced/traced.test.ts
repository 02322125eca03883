import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { digestOf, isVarveError } from "../core/index.ts";
import { type Accesses, decodeAccesses, encodeAccesses } from "./accesses.ts";
import { compareStacks, joinVersions, stackLayers } from "./changes.ts";
import { Forgiveness } from "./forgiveness.ts";
import { decodeLayer, encodeLayer } from "./layer-codec.ts";
import { type LayerEntry, parentOf } from "./layer-entry.ts";
import { MAX_MOUNTS, decodeMounts, encodeMounts } from "./mounts.ts";
import { decodeRun, encodeRun, hasMade, rootRecord } from "./portable.ts";

const path = fc
  .array(fc.constantFrom("a", "b", "dir", "\xff"), { minLength: 1, maxLength: 4 })
  .map((names) => `/${names.join("/")}`);
const digest = fc.constantFrom("0".repeat(32), "f".repeat(32));

const PLAIN = { noNullPrototype: true };

const entry: fc.Arbitrary<LayerEntry> = fc.oneof(
  fc.record({ path, kind: fc.constant("file" as const), attributes: digest, content: digest }, PLAIN),
  fc.record(
    {
      path,
      kind: fc.constantFrom("symlink" as const, "other" as const),
      attributes: digest,
      content: fc.constant(""),
    },
    PLAIN,
  ),
  fc.record({ path, kind: fc.constant("directory" as const), attributes: digest, opaque: fc.boolean() }, PLAIN),
  fc.record({ path, kind: fc.constant("deletion" as const) }, PLAIN),
);
const paths = fc.array(path, { maxLength: 20 }).map((list) => new Set(list));

test("accesses and layers are read as they were written", () => {
  fc.assert(
    fc.property(paths, fc.array(entry), (accesses: Accesses, layer) => {
      assert.deepEqual(decodeAccesses(encodeAccesses(accesses)), accesses);
      assert.deepEqual(decodeLayer(encodeLayer(layer)), sortedEntries(layer));
    }),
  );
});

test("mounts are read as they were written", () => {
  const mount = fc
    .tuple(paths, fc.array(entry))
    .map(([accesses, layer]) => ({ content: digestOf(String(layer.length)), traces: { accesses, layer } }));
  fc.assert(
    fc.property(fc.array(mount, { maxLength: 3 }), (mounts) => {
      const read = decodeMounts(encodeMounts({ rest: "rest", mounts }));
      const sorted = mounts.map(({ content, traces }) => ({
        content,
        traces: { ...traces, layer: sortedEntries(traces.layer) },
      }));
      assert.deepEqual(read, { rest: "rest", mounts: sorted });
      const bytes = encodeMounts({ rest: "rest", mounts });
      assert.throws(
        () => decodeMounts(bytes.subarray(0, -1)),
        (error) => isVarveError(error, "corrupt"),
      );
    }),
  );
  const many = Array.from({ length: MAX_MOUNTS + 1 }, () => ({
    content: digestOf(""),
    traces: { accesses: new Set<string>(), layer: [] },
  }));
  assert.throws(
    () => decodeMounts(encodeMounts({ rest: "", mounts: many })),
    (error) => isVarveError(error, "corrupt"),
  );
});

const OP = digestOf("op");
const portable = fc.record(
  { diffId: fc.nat().map((seed) => digestOf(String(seed))), entries: fc.option(fc.array(entry), { nil: undefined }) },
  PLAIN,
);

test("a run is read as it was written, for a record of its op only", () => {
  fc.assert(
    fc.property(paths, fc.array(portable), (accesses: Accesses, layers) => {
      const parts = encodeRun({ op: OP, others: "others", layers, accesses });
      const run = decodeRun(parts, rootRecord(OP));
      assert.ok(run !== undefined);
      assert.deepEqual([run.op, run.others, run.accesses()], [OP, "others", accesses]);
      const found = run.layers.map(({ diffId, entries }) => ({ diffId, entries: entries() }));
      assert.deepEqual(
        found,
        layers.map(({ diffId, entries }) => ({ diffId, entries: entries && sortedEntries(entries) })),
      );
      assert.ok(hasMade(run, layers));
      assert.ok(!hasMade(run, [...layers, { diffId: OP }]));
      assert.equal(decodeRun(parts, rootRecord(digestOf("another op"))), undefined);
    }),
  );
});

test("what is no run is none, and parts that are malformed are unknown", () => {
  const layers = [{ diffId: OP, entries: [] }];
  const [head = Buffer.alloc(0), accesses = Buffer.alloc(0)] = encodeRun({
    op: OP,
    others: "",
    layers,
    accesses: new Set(),
  });
  fc.assert(
    fc.property(fc.array(fc.uint8Array()), fc.uint8Array(), (parts, bytes) => {
      assert.equal(decodeRun(parts, rootRecord(OP)), undefined);
      const run = decodeRun([head, accesses, bytes], rootRecord(OP));
      const entries = run?.layers[0]?.entries();
      assert.ok(entries === undefined || Array.isArray(entries));
    }),
  );
  assert.equal(decodeRun([head, Buffer.from("x")], rootRecord(OP))?.accesses(), undefined);
  assert.equal(decodeRun([head, accesses], rootRecord(OP))?.layers[0]?.entries(), undefined);
});

function sortedEntries(entries: readonly LayerEntry[]): LayerEntry[] {
  return entries.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

test("paths that are not absolute, as a damaged list may have them, are in the root", () => {
  for (const [path, parent] of [
    ["", "/"],
    ["a", "/"],
    ["/", "/"],
    ["/a", "/"],
    ["a/b", "a"],
  ] as const)
    assert.equal(parentOf(path), parent);
});

test("what is cut off or is something else is an error", () => {
  const accesses = encodeAccesses(new Set(["/a", "/b/c", "/"]));
  const layer = encodeLayer([{ path: "/a", kind: "deletion" }]);
  fc.assert(
    fc.property(fc.nat(accesses.length - 1), fc.uint8Array(), (end, bytes) => {
      const isCorrupt = (error: unknown): boolean => isVarveError(error, "corrupt");
      assert.throws(() => decodeAccesses(accesses.subarray(0, end)), isCorrupt);
      for (const read of [decodeAccesses, decodeLayer])
        try {
          read(bytes);
        } catch (error) {
          assert.ok(isCorrupt(error));
        }
      assert.throws(() => decodeLayer(layer.subarray(0, Math.min(end, layer.length - 1))), isCorrupt);
    }),
  );
});

test("20,000 paths of a project take less than 200 kB", () => {
  const files = new Set(
    Array.from({ length: 20_000 }, (_, at) => `/app/node_modules/package-${at % 700}/lib/file-${at}.js`),
  );
  assert.ok(encodeAccesses(files).length < 200_000);
});

/** A tree as layers make it: what it has at each path. */
type Tree = Map<string, string>;

function applied(tree: Tree, layer: readonly LayerEntry[]): Tree {
  const result: Tree = new Map(tree);
  const removeBelow = (above: string): void => {
    for (const each of result.keys()) if (each.startsWith(`${above}/`)) result.delete(each);
  };
  for (const each of layer) {
    if (each.kind !== "directory" || each.opaque) removeBelow(each.path);
    if (each.kind === "deletion") result.delete(each.path);
  }
  for (const each of layer)
    if (each.kind !== "deletion") {
      const content = each.kind === "directory" ? "" : each.content;
      result.set(each.path, `${each.kind} ${each.attributes} ${content}`);
    }
  return result;
}

/** Makes of generated entries a layer that can exist: every parent is a directory of it, and nothing is below other entries. */
function asLayer(entries: readonly LayerEntry[]): LayerEntry[] {
  const layer = new Map<string, LayerEntry>();
  for (const each of entries) {
    const parents: string[] = [];
    for (let at = parentOf(each.path); at !== "/"; at = parentOf(at)) parents.unshift(at);
    if (parents.some((at) => (layer.get(at)?.kind ?? "directory") !== "directory")) continue;
    for (const at of parents)
      if (!layer.has(at)) layer.set(at, { path: at, kind: "directory", attributes: "0".repeat(32), opaque: false });
    if (layer.get(each.path)?.kind === "directory" && each.kind !== "directory") continue;
    layer.set(each.path, each);
  }
  return [...layer.values()];
}

const layers = fc.array(fc.array(entry, { maxLength: 8 }).map(asLayer), { maxLength: 4 });

test("no difference of two trees is missed", () => {
  fc.assert(
    fc.property(layers, layers, fc.array(entry, { maxLength: 8 }).map(asLayer), (before, after, base) => {
      const below = applied(new Map(), base);
      const [then, now] = [before.reduce(applied, below), after.reduce(applied, below)];
      const found = new Map(
        [...compareStacks(stackLayers(before), stackLayers(after))].map((each) => [each.path, each.kind]),
      );
      for (const each of new Set([...then.keys(), ...now.keys()])) {
        if (then.get(each) === now.get(each)) continue;
        const isFound = found.has(each) || [...found.keys()].some((above) => each.startsWith(`${above}/`));
        assert.ok(isFound, `${each}: ${then.get(each)} → ${now.get(each)}`);
      }
    }),
    { numRuns: 500 },
  );
});

test("versions of a layer are one layer", () => {
  const file = (name: string, content: string): LayerEntry => ({ path: name, kind: "file", attributes: "", content });
  const directory = (name: string, opaque = false): LayerEntry => ({
    path: name,
    kind: "directory",
    attributes: "",
    opaque,
  });
  const joined = joinVersions([
    [directory("/d"), file("/d/a", "1"), file("/d/b", "1"), directory("/e"), file("/e/a", "1")],
    [directory("/d"), { path: "/d/a", kind: "deletion" }, file("/d/c", "2"), { path: "/e", kind: "deletion" }],
    [directory("/d"), file("/d/b", "3")],
  ]);
  assert.deepEqual(
    new Map(joined.map((each) => [each.path, each.kind === "file" ? each.content : each.kind])),
    new Map([
      ["/d", "directory"],
      ["/d/b", "3"],
      ["/d/c", "2"],
    ]),
  );
});

test("a change is forgiven only if the step has not seen it", () => {
  const accesses = new Set(["/app/read", "/app/listed"]);
  const layer: LayerEntry[] = [
    { path: "/app", kind: "directory", attributes: "", opaque: false },
    { path: "/app/written", kind: "file", attributes: "", content: "" },
    { path: "/app/hidden", kind: "directory", attributes: "", opaque: true },
  ];
  const judged = (
    mode: "contents" | "loose",
    kind: "added" | "content" | "attributes",
    at: string,
  ): string | undefined => new Forgiveness({ accesses, layer }, mode).judge({ path: at, kind })?.why;
  assert.equal(judged("contents", "content", "/app/other"), undefined);
  assert.equal(judged("contents", "content", "/app/read"), "read");
  assert.equal(judged("contents", "content", "/app/written"), "written");
  assert.equal(judged("contents", "content", "/app/hidden/below"), "written");
  assert.equal(judged("contents", "attributes", "/app/other"), "shape");
  assert.equal(judged("contents", "added", "/docs/new"), "shape");
  assert.equal(judged("loose", "added", "/docs/new"), undefined);
  assert.equal(judged("loose", "added", "/docs/listed/new"), undefined);
  assert.equal(judged("loose", "attributes", "/docs/new"), "shape");
  for (const at of ["/new", "/app/new", "/app/listed/new"]) assert.equal(judged("loose", "added", at), "shape", at);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../core/index.ts";
import { type Stacked, checkDepth, layersOf } from "./layers.ts";

const layer = (id: number, ...parents: string[]): Stacked => ({
  id,
  kind: "committed",
  parents,
  merged: false,
  moved: false,
});
const merge = (id: number, ...parents: string[]): Stacked => ({ ...layer(id, ...parents), merged: true });

function ids(top: Stacked, others: Readonly<Record<string, Stacked>>): number[] {
  return layersOf(top, (name) => others[name] as Stacked).map(({ id }) => id);
}

test("layers come top first, a merge's highest parent first, each where it is highest", () => {
  const a = layer(1);
  const b = layer(2, "a");
  const c = layer(3);
  const known = { a, b, c, m: merge(4, "b", "c"), n: merge(5, "c", "m", "a") };
  assert.deepEqual(ids(layer(9, "b"), known), [9, 2, 1]);
  assert.deepEqual(ids(known.m, known), [3, 2, 1]);
  assert.deepEqual(ids(known.n, known), [1, 3, 2]);
  assert.deepEqual(ids({ ...layer(8, "m"), kind: "active" }, known), [3, 2, 1]);
  const moved = { ...layer(7, "c", "b"), moved: true };
  assert.deepEqual(ids(moved, known), [2, 3]);
  assert.deepEqual(ids({ ...layer(8, "moved"), kind: "active" }, { ...known, moved }), [2, 3]);
  assert.deepEqual(ids({ ...layer(7, "b"), moved: true }, known), [2]);
});

/** A layer as overlayfs sees it: what it says of each path. */
type Content = ReadonlyMap<string, string | undefined>;

function stacked(layers: readonly Content[]): Map<string, string> {
  const seen = new Map<string, string>();
  for (const content of layers) {
    for (const [path, value] of content) {
      if (value === undefined) seen.delete(path);
      else seen.set(path, value);
    }
  }
  return seen;
}

test("leaving out lower occurrences of a layer changes nothing", () => {
  const content = fc
    .array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.option(fc.constantFrom("1", "2"), { nil: undefined })))
    .map((entries): Content => new Map(entries));
  fc.assert(
    fc.property(
      fc.array(content, { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(3), { maxLength: 8 }),
      (contents, order) => {
        const names = order.map((at) => at % contents.length);
        const known = Object.fromEntries(contents.map((_, at) => [String(at), layer(at)]));
        const top = merge(99, ...names.map(String));
        const all = stacked(names.map((at) => contents[at] as Content));
        const once = stacked(
          ids(top, known)
            .reverse()
            .map((at) => contents[at] as Content),
        );
        assert.deepEqual(once, all);
      },
    ),
  );
});

test("more layers than overlayfs stacks are refused", () => {
  checkDepth(500, "mount");
  assert.throws(
    () => checkDepth(501, "mount"),
    (error) => isVarveError(error, "limit-exceeded"),
  );
});

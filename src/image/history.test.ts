import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { type HistoryEntry, normalizeHistory } from "./index.ts";

const at = (second: number): string => `2024-01-01T00:00:0${second}Z`;
const layer = (second: number, description?: string) => ({
  createdAt: at(second),
  ...(description && { description }),
});
const step = (text: string, created?: string): HistoryEntry => ({ created_by: text, ...(created && { created }) });
const meta = (text: string, created?: string): HistoryEntry => ({ ...step(text, created), empty_layer: true });
const times = (history: readonly HistoryEntry[]): (string | undefined)[] => history.map(({ created }) => created);

test("layers that no history speaks of get entries of their own", () => {
  const { history, unaccounted } = normalizeHistory([], [layer(1), layer(2, "pulled from x")]);
  assert.deepEqual(history, [
    { created: at(1), created_by: "created by buildkit", comment: "buildkit.exporter.image.v0" },
    { created: at(2), created_by: "pulled from x", comment: "buildkit.exporter.image.v0" },
  ]);
  assert.equal(unaccounted, false);
});

test("only the last layers are added when some are accounted for", () => {
  const { history } = normalizeHistory([step("RUN a"), meta("ENV b")], [layer(1), layer(2), layer(3)]);
  assert.deepEqual(times(history), [at(1), at(2), at(2), at(3)]);
  assert.deepEqual(
    history.map(({ comment }) => comment !== undefined),
    [false, false, true, true],
  );
});

test("a metadata step between two layers takes the time of the one before, unless it is the first without a time", () => {
  const layers = [layer(1), layer(2), layer(3)];
  const { history } = normalizeHistory([meta("ARG"), step("RUN a"), meta("ENV x"), step("RUN b")], layers.slice(0, 2));
  assert.deepEqual(times(history), [at(1), at(1), at(1), at(2)]);
  assert.equal(history[2]?.empty_layer, true);
  const first = normalizeHistory([step("RUN a"), meta("ENV x"), step("RUN b"), meta("ENV y"), step("RUN c")], layers);
  assert.deepEqual(times(first.history), [at(1), at(2), at(2), at(2), at(3)]);
});

test("metadata steps before the first new layer take its time, those after the last layer that one's", () => {
  const base = [step("ADD base", at(1)), meta("CMD base", at(1))];
  const { history } = normalizeHistory([...base, meta("ENV x"), step("RUN a"), meta("CMD b")], [layer(1), layer(5)]);
  assert.deepEqual(times(history), [at(1), at(1), at(5), at(5), at(5)]);
});

test("with no timed entry after them, metadata steps take the last time there is, or none", () => {
  const base = [step("ADD", at(1)), meta("CMD", at(2))];
  assert.deepEqual(times(normalizeHistory([...base, meta("ENV")], [layer(9)]).history), [at(1), at(2), at(2)]);
  assert.deepEqual(times(normalizeHistory([meta("ENV"), meta("CMD")], []).history), [undefined, undefined]);
});

test("entries beyond the last layer are marked empty", () => {
  const { history, unaccounted } = normalizeHistory([step("a", at(1)), meta("b", at(1)), step("c", at(2))], [layer(3)]);
  assert.deepEqual(
    history.map(({ empty_layer: empty }) => empty),
    [undefined, true, true],
  );
  assert.equal(unaccounted, true);
});

test("layers whose time nobody knows leave theirs open to be filled", () => {
  const { history } = normalizeHistory([step("a"), step("b")], [{}, layer(2)]);
  assert.deepEqual(times(history), [at(2), at(2)]);
});

test("afterwards there is one layer entry for each layer, and normalising again changes nothing", () => {
  const entry = fc.record(
    { created: fc.integer({ min: 0, max: 9 }).map(at), created_by: fc.string(), empty_layer: fc.boolean() },
    { requiredKeys: [] },
  );
  const origin = fc.record({ createdAt: fc.integer({ min: 0, max: 9 }).map(at) }, { requiredKeys: [] });
  fc.assert(
    fc.property(fc.array(entry), fc.array(origin), (before, layers) => {
      const { history } = normalizeHistory(before, layers);
      assert.equal(history.filter(({ empty_layer: empty }) => empty !== true).length, layers.length);
      assert.deepEqual(normalizeHistory(history, layers), { history, unaccounted: false });
      if (history.some(({ created }) => created !== undefined)) assert.ok(!times(history).includes(undefined));
      for (const [index, { created }] of before.entries()) if (created) assert.equal(history[index]?.created, created);
    }),
  );
});

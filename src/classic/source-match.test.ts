import type { LocalImage } from "../image/local-image.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { DEFAULT_ENV, probesOf, run } from "../../testing/classic.ts";
import { type Digest, MediaType, digestOf, hostPlatform } from "../core/index.ts";
import type { HistoryEntry, ImageConfig } from "../image/index.ts";
import { matchSource, whyNoMatch } from "./source-match.ts";
import type { ProbeStep } from "./types.ts";

const platform = hostPlatform();
const PRESENT = { info: () => ({}) } as never;

/** An image of a history and layers, which need not fit each other. */
function image(history: readonly HistoryEntry[], diffs: readonly string[], Env: readonly string[] = []): LocalImage {
  const diffIds = diffs.map((diff) => digestOf(diff));
  const config: ImageConfig = {
    ...platform,
    config: { Env },
    rootfs: { type: "layers", diff_ids: diffIds },
    history,
  };
  const layers = diffIds.map((diffId) => ({
    diffId,
    descriptor: { mediaType: MediaType.ociLayer, digest: diffId, size: 1 },
  }));
  const id: Digest = digestOf(JSON.stringify([history, diffs]));
  const manifest = { mediaType: MediaType.ociManifest, digest: id, size: 1 };
  return { id, manifest, config, layers, parent: undefined, builtHere: false, containerConfig: undefined };
}

const probe = (command: string): ProbeStep => probesOf([run(command)], undefined, platform)[0] as ProbeStep;
const entry = fc.record<HistoryEntry>(
  {
    created_by: fc.constantFrom("/bin/sh -c a", "/bin/sh -c b"),
    created: fc.constantFrom("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"),
    empty_layer: fc.boolean(),
  },
  { requiredKeys: ["created_by"] },
);
const diffs = fc.array(fc.constantFrom("x", "y", "z"), { maxLength: 5 });
const filled = (history: readonly HistoryEntry[]): number => history.filter((each) => each.empty_layer !== true).length;

test("trap 6: whatever histories and layers there are, a match is the next step, and its layer the next layer", () => {
  let matches = 0;
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 5 }), diffs, fc.nat(5), fc.nat(5), (history, layers, steps, cut) => {
      const source = image(history, layers);
      const below = image(history.slice(0, steps), layers.slice(0, cut));
      const match = matchSource(source, probe("a"), below, { content: PRESENT });
      const why = whyNoMatch(source, probe("a"), below, { content: PRESENT });
      assert.equal(why === undefined, match !== undefined);
      if (match === undefined) return;
      matches += 1;
      assert.equal(match.n, steps);
      assert.equal(history[match.n]?.created_by, "/bin/sh -c a");
      assert.equal(filled(history.slice(0, steps)), Math.min(cut, layers.length));
      assert.equal(match.last, steps === history.length - 1);
      const expected = history[match.n]?.empty_layer === true ? undefined : layers[cut];
      assert.equal(match.layer?.diffId, expected === undefined ? undefined : digestOf(expected));
    }),
    { numRuns: 3000, seed: 1 },
  );
  assert.ok(matches > 50, `only ${matches} matches`);
});

test("a parent whose history or layers are others, or whose layers have no history, is none", () => {
  const first = { created_by: "/bin/sh -c b", created: "2020-01-01T00:00:00Z" };
  const next = { created_by: "/bin/sh -c a", empty_layer: true };
  const source = image([first, next], ["x"]);
  const matches = (below: LocalImage): boolean =>
    matchSource(source, probe("a"), below, { content: PRESENT }) !== undefined;
  assert.ok(matches(image([first], ["x"])));
  assert.equal(matches(image([first], ["y"])), false);
  assert.equal(matches(image([{ ...first, created: "2021-01-01T00:00:00Z" }], ["x"])), false);
  assert.equal(matches(image([{ ...first, comment: "c" }], ["x"])), false);
  assert.equal(matches(image([], ["x"])), false);
  assert.equal(matches(image([first, next], ["x"])), false);
});

test("what a text leaves open is a miss", () => {
  const certain = (cmd: readonly string[], env: readonly string[] = [], own: readonly string[] = env): boolean => {
    const runConfig = { Env: [DEFAULT_ENV, ...own] };
    const step: ProbeStep = { runConfig, config: { ...runConfig, Cmd: cmd }, platform };
    const source = image([{ created_by: cmd.join(" "), empty_layer: true }], [], [DEFAULT_ENV, ...env]);
    return matchSource(source, step, undefined, { content: PRESENT }) !== undefined;
  };
  const nop = ["/bin/sh", "-c", "#(nop) "];
  assert.ok(certain(["/bin/sh", "-c", "echo x y"]));
  assert.ok(certain(["|1", "A=1", "/bin/sh", "-c", "echo x y"]));
  assert.ok(certain(["|0", "/bin/sh", "-c", "echo x y"]));
  assert.equal(certain(["|1", "A=1 B=2", "/bin/sh", "-c", "echo"]), false);
  assert.ok(certain(["make"]));
  for (const words of [["echo", "x y"], ["echo", "x", "y"], ["echo x"], ["/bin/sh", "-c", "a", "b"], []])
    assert.equal(certain(words), false, words.join("|"));
  assert.ok(certain(["/bin/sh", "-c", "#(nop) COPY file:1 in /x "]));
  assert.ok(certain([...nop, "ENV A=b"], ["A=b"]));
  assert.ok(certain([...nop, "ENV A=b C=d"], ["A=b", "C=d"]));
  assert.equal(certain([...nop, "ENV A=b C=d"], ["A=b", "C=d"], ["A=b C=d"]), false);
  assert.equal(certain([...nop, "ENV A=b C=d"], ["A=b C=d"], ["A=b", "C=d"]), false);
});

test("a source that does not match says where it diverges", () => {
  const created = "2020-01-01T00:00:00Z";
  const first = { created_by: "/bin/sh -c a", created };
  const second = { created_by: "/bin/sh -c b", created };
  const source = image([first, second], ["x", "y"]);
  const below = image([first], ["x"]);
  const why = (step: ProbeStep, from = source, on: LocalImage | undefined = below): unknown =>
    whyNoMatch(from, step, on, { content: PRESENT });
  assert.equal(why(probe("b")), undefined);
  assert.deepEqual(why(probe("c")), { kind: "other-step", n: 1, before: "/bin/sh -c b", after: "/bin/sh -c c" });
  assert.deepEqual(why(probe("b"), below), { kind: "shorter", n: 1 });
  const other = image([second], ["y"]);
  assert.deepEqual(why(probe("b"), source, other), {
    kind: "other-base",
    n: 0,
    before: "/bin/sh -c a",
    after: "/bin/sh -c b",
  });
  const again = image([{ ...first, created: "2021-01-01T00:00:00Z" }], ["z"]);
  assert.deepEqual(why(probe("b"), source, again), {
    kind: "other-base",
    n: 0,
    before: "/bin/sh -c a",
    after: "/bin/sh -c a",
  });
  const foreign: ProbeStep = { ...probe("b"), platform: { os: "plan9", architecture: "mips" } };
  assert.partialDeepStrictEqual(why(foreign), { kind: "other-platform", n: 1, after: "plan9/mips" });
  const words: ProbeStep = { ...probe("b"), config: { Cmd: ["/bin/sh", "-c", "a", "b"] } };
  const joined = image([first, { created_by: "/bin/sh -c a b" }], ["x", "y"]);
  assert.deepEqual(why(words, joined), { kind: "ambiguous", n: 1 });
  const content = { info: () => undefined } as never;
  const layer = source.layers[1]?.descriptor.digest;
  assert.deepEqual(whyNoMatch(source, probe("b"), below, { content }), { kind: "no-layer", n: 1, layer });
});

import { commitImage } from "../images/index.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClassicFixture, DEFAULT_ENV, copy, env, label, run, set } from "../../testing/classic.ts";
import { recordsMissing } from "../../testing/records.ts";
import { isVarveError, parsePlatform } from "../core/index.ts";
import { ClassicCache, type ProbeStep } from "./index.ts";

const skip = recordsMissing() ?? false;
const STEPS = [env({ A: "1" }), run("make", { made: "1" }), copy("f", "text"), label("l", "1")];
const HITS = ["local", "local", "local", "local"];
const MISSES = ["miss", "miss", "miss", "miss"];

test(
  "C1, C7, C18: a second build hits throughout and gives the same image, from a base and from nothing",
  { skip },
  async () => {
    await using fixture = await ClassicFixture.open();
    for (const base of [undefined, await fixture.base()]) {
      const first = await fixture.build(STEPS, { base });
      const second = await fixture.build(STEPS, { base, cacheFrom: [] });
      assert.deepEqual([first.answers, second.answers], [MISSES, HITS]);
      assert.deepEqual(second.ids, first.ids);
    }
  },
);

test("C2, C3: the newest of several builds is taken, and an older one once that is gone", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const first = await fixture.build(STEPS);
  const second = await fixture.build(STEPS, { noCache: true });
  assert.deepEqual(second.answers, MISSES);
  assert.notDeepEqual(second.ids, first.ids);
  assert.deepEqual((await fixture.build(STEPS)).ids, second.ids);
  for (const id of second.ids) fixture.relations.remove(id);
  assert.deepEqual((await fixture.build(STEPS)).ids, first.ids);
});

test("C4 is better: a newer chain that is shorter does not hide an older one that is complete", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const whole = await fixture.build(STEPS);
  const short = await fixture.build(STEPS.slice(0, 2), { noCache: true });
  const again = await fixture.build(STEPS);
  assert.deepEqual([again.answers, again.ids], [HITS, whole.ids]);
  // Without a look ahead the newest is taken step by step, as Docker does.
  const greedy = await fixture.build(STEPS, { lookAhead: false });
  assert.deepEqual(greedy.answers, ["local", "local", "miss", "miss"]);
  assert.deepEqual(greedy.ids.slice(0, 2), short.ids);
});

test("a step that cannot be told ahead ends the look ahead; its failure is not the cache's", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  await fixture.build(STEPS);
  const newer = await fixture.build(STEPS.slice(0, 1), { noCache: true });
  const cache = await ClassicCache.open(
    { base: undefined, platform: parsePlatform("local") },
    fixture.store,
    fixture.hold,
  );
  const step = probe(0);
  const answer = await cache.probe(step, () => Promise.reject(new Error("no such file")));
  assert.ok(answer.kind === "hit");
  assert.equal(answer.image.id, newer.image.id);
});

test("a base that went since it was looked up is not found", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const base = await fixture.base();
  await fixture.store.content.delete(base.manifest.digest);
  const opening = ClassicCache.open({ base, platform: parsePlatform("local") }, fixture.store, fixture.hold);
  await assert.rejects(opening, (error) => isVarveError(error, "not-found"));
});

function probe(index: number): ProbeStep {
  const runConfig = { Env: [DEFAULT_ENV, "A=1"] };
  return { runConfig, config: { ...runConfig, Cmd: STEPS[index]?.cmd ?? [] }, platform: parsePlatform("local") };
}

test("C24: after a miss nothing of the stage is looked up, and the next stage starts anew", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const base = await fixture.base();
  await fixture.build([env({ A: "1" }), run("b")], { base });
  const cache = await ClassicCache.open({ base, platform: parsePlatform("local") }, fixture.store, fixture.hold);
  const platform = parsePlatform("local");
  const config = base.config.config ?? {};
  assert.equal((await cache.probe({ config: { ...config, Cmd: ["x"] }, runConfig: config, platform })).kind, "miss");
  const runConfig = { ...config, Env: [...(config.Env ?? []), "A=1"] };
  const step = { runConfig, config: { ...runConfig, Cmd: env({ A: "1" }).cmd }, platform };
  assert.equal((await cache.probe(step)).kind, "miss");
  const fresh = await ClassicCache.open({ base, platform }, fixture.store, fixture.hold);
  assert.equal((await fresh.probe(step)).kind, "hit");
});

test("C33: commands that differ in where a word ends are different", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  await fixture.build([run(["echo", "x y"])]);
  assert.deepEqual((await fixture.build([run(["echo", "x", "y"])])).answers, ["miss"]);
  assert.deepEqual((await fixture.build([run(["echo", "x y"])])).answers, ["local"]);
});

test("C19, C10: an image that was loaded is no candidate, whatever is in it", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const { image, ids } = await fixture.build(STEPS);
  const archive = await fixture.save(image, "x");
  for (const id of ids) fixture.relations.remove(id);
  await fixture.load(archive);
  assert.equal((await fixture.image("x")).id, image.id);
  assert.equal((await fixture.image("x")).parent, undefined);
  assert.deepEqual((await fixture.build(STEPS)).answers, MISSES);
});

test("C20: another platform misses, its own second build hits; what it can run is taken", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  await fixture.build(STEPS, { platform: parsePlatform("linux/amd64") });
  const arm = parsePlatform("linux/arm/v6");
  const first = await fixture.build(STEPS, { platform: arm });
  assert.deepEqual(first.answers, MISSES);
  assert.deepEqual([first.image.config.architecture, first.image.config.variant], ["arm", "v6"]);
  assert.deepEqual((await fixture.build(STEPS, { platform: arm })).ids, first.ids);
  assert.deepEqual((await fixture.build(STEPS, { platform: parsePlatform("linux/arm/v7") })).answers, HITS);
  assert.deepEqual((await fixture.build(STEPS, { platform: parsePlatform("linux/arm/v5") })).answers, MISSES);
});

test("C21, C27, C28: any commit on the base is a candidate, by its container config", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const base = await fixture.base();
  const platform = parsePlatform("local");
  const runConfig = base.config.config ?? {};
  const config = { ...runConfig, Cmd: ["/bin/sh", "-c", "X"] };
  const commit = async (containerConfig: typeof config & { Hostname?: string; AttachStdout?: boolean }) =>
    await commitImage(
      { parent: base, record: undefined, config: runConfig, containerConfig, createdBy: "", platform },
      fixture.store,
      fixture.hold,
    );
  const detached = await commit({ ...config, Hostname: "0123456789ab", Labels: new Map() });
  await commit({ ...config, AttachStdout: true });
  await commit({ ...config, WorkingDir: "/x" });
  await commit({ ...config, Healthcheck: { Test: ["NONE"] } });
  await commit({ ...config, OnBuild: ["RUN y"] });
  const built = await fixture.build([run("X")], { base });
  assert.deepEqual([built.answers, built.ids], [["local"], [detached.id]]);
});

test("trap: a second HEALTHCHECK is compared with what was probed, and hits", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const steps = [
    set("HEALTHCHECK a", { Healthcheck: { Test: ["CMD", "a"], Interval: 5 } }),
    set("HEALTHCHECK b", { Healthcheck: { Test: ["CMD", "b"] } }),
  ];
  const first = await fixture.build(steps);
  assert.deepEqual(first.image.config.config?.Healthcheck, { Test: ["CMD", "b"] });
  assert.deepEqual((await fixture.build(steps)).answers, ["local", "local"]);
});

test("trap: ONBUILD and HEALTHCHECK that no command shows are told apart", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  await fixture.build([set("x", { OnBuild: ["RUN evil"] })]);
  assert.deepEqual((await fixture.build([set("x", { OnBuild: [] })])).answers, ["miss"]);
  await fixture.build([set("y", { Healthcheck: { Test: ["CMD", "evil"] } })]);
  assert.deepEqual((await fixture.build([set("y", {})])).answers, ["miss"]);
});

test("trap: a child whose documents are damaged is passed over", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const good = await fixture.build(STEPS);
  const bad = await fixture.build(STEPS, { noCache: true });
  for (const id of bad.ids) await fixture.store.content.delete(id);
  const built = await fixture.build(STEPS);
  assert.deepEqual([built.answers, built.ids], [HITS, good.ids]);
});

test("C26: builds at the same time both succeed, and a later one takes the last", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const built = await Promise.all([1, 2, 3].map(() => fixture.build(STEPS, { noCache: true })));
  assert.equal(new Set(built.map(({ image }) => image.id)).size, 3);
  const later = await fixture.build(STEPS);
  assert.ok(built.some(({ ids }) => ids.join(",") === later.ids.join(",")));
  const created = built.map(({ image }) => image.config.created ?? "").sort();
  assert.equal(later.image.config.created, created.at(-1));
});

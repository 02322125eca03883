import { historyRows } from "../images/index.ts";
import type { LocalImage } from "../image/local-image.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClassicFixture, type ClassicStep, copy, env, label, run, set } from "../../testing/classic.ts";
import { recordsMissing } from "../../testing/records.ts";
import { parsePlatform } from "../core/index.ts";

const skip = recordsMissing() ?? false;
const STEPS = [env({ A: "1" }), copy("f", "text"), run("make", { made: "1" })];
const ALL = ["restored", "restored", "source"];

/** A fixture with a base, and an image of the steps on it that came from elsewhere under the given name. */
async function loaded(fixture: ClassicFixture, steps: readonly ClassicStep[], name = "x"): Promise<LocalImage> {
  const base = await fixture.image("base").catch(() => fixture.base());
  const { image, ids } = await fixture.build(steps, { base, noCache: true });
  const archive = await fixture.save(image, name);
  for (const id of ids) fixture.relations.remove(id);
  await fixture.load(archive);
  await fixture.collect();
  return await fixture.image(name);
}

test(
  "C11, C12, C13, trap 1: every step of a loaded source hits, empty layers too, again and again",
  { skip },
  async () => {
    await using fixture = await ClassicFixture.open();
    const x = await loaded(fixture, STEPS);
    const base = await fixture.image("base");
    const first = await fixture.build(STEPS, { base, cacheFrom: ["x"] });
    assert.deepEqual([first.answers, first.image.id], [ALL, x.id]);
    const second = await fixture.build(STEPS, { base, cacheFrom: ["x"] });
    assert.deepEqual([second.answers, second.ids], [ALL, first.ids]);
    const rows = historyRows(fixture.store, await fixture.image("x"));
    assert.deepEqual(
      rows.map(({ id }) => id),
      [...first.ids.toReversed(), base.id, undefined],
    );
    const restored = await fixture.image(first.ids[0] ?? "");
    assert.equal(restored.layers.length, base.layers.length);
  },
);

test("C8: a source is found by name, by id and by the beginning of it", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const x = await loaded(fixture, STEPS);
  const base = await fixture.image("base");
  for (const name of [x.id, x.id.slice(7), x.id.slice(7, 19), x.manifest.digest, `x@${x.manifest.digest}`]) {
    const built = await fixture.build(STEPS, { base, cacheFrom: [name] });
    assert.deepEqual([built.answers, built.image.id], [ALL, x.id], name);
  }
});

test(
  "C5, C6, C9 are better: sources that are not here or unrelated do not turn the local cache off",
  { skip },
  async () => {
    await using fixture = await ClassicFixture.open();
    const x = await loaded(fixture, STEPS);
    const base = await fixture.image("base");
    for (const name of ["nosuch", "", "Not A Name", "base", "f".repeat(64)]) {
      const built = await fixture.build([run("other")], { base, cacheFrom: [name] });
      const again = await fixture.build([run("other")], { base, cacheFrom: [name] });
      assert.deepEqual(again.answers, ["local"], name);
      assert.equal(again.image.id, built.image.id);
    }
    assert.equal((await fixture.build(STEPS, { base, cacheFrom: ["nosuch", "x"] })).image.id, x.id);
  },
);

test("C14: what was restored is not used without its source", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  await loaded(fixture, STEPS);
  const base = await fixture.image("base");
  await fixture.build(STEPS, { base, cacheFrom: ["x"] });
  assert.deepEqual((await fixture.build(STEPS, { base })).answers, ["miss", "miss", "miss"]);
});

test("C15, trap 4: a prefix of a source has the config of a build without cache", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  await loaded(fixture, [...STEPS, set("CMD x", { Cmd: ["x"] })]);
  const base = await fixture.image("base");
  const hit = await fixture.build(STEPS, { base, cacheFrom: ["x"] });
  const plain = await fixture.build(STEPS, { base, noCache: true });
  assert.deepEqual(hit.answers, ["restored", "restored", "restored"]);
  assert.deepEqual(hit.image.config.config, plain.image.config.config);
  assert.equal(hit.image.config.config?.Cmd, undefined);
  assert.deepEqual(
    hit.image.layers.map(({ diffId }) => diffId),
    plain.image.layers.map(({ diffId }) => diffId),
  );
});

test("C16 is better: steps may come from several sources, in any order", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const one = [copy("a", "a"), run("one", { one: "1" })];
  const two = [copy("a", "a"), run("two", { two: "2" })];
  await loaded(fixture, one, "j1");
  const j2 = await loaded(fixture, two, "j2");
  const base = await fixture.image("base");
  for (const cacheFrom of [
    ["j1", "j2"],
    ["j2", "j1"],
  ]) {
    const built = await fixture.build(two, { base, cacheFrom });
    assert.deepEqual([built.answers, built.image.id], [["restored", "source"], j2.id]);
  }
});

test(
  "trap 3: a source of another platform is none, for the base and for scratch; the variant is kept",
  { skip },
  async () => {
    await using fixture = await ClassicFixture.open();
    const v6 = parsePlatform("linux/arm/v6");
    const { image, ids } = await fixture.build(STEPS, { platform: v6 });
    const archive = await fixture.save(image, "arm");
    for (const id of ids) fixture.relations.remove(id);
    await fixture.load(archive);
    const other = await fixture.build(STEPS, { cacheFrom: ["arm"], platform: parsePlatform("linux/amd64") });
    assert.deepEqual(other.answers, ["miss", "miss", "miss"]);
    assert.equal(other.image.config.architecture, "amd64");
    const same = await fixture.build(STEPS.slice(0, 2), { cacheFrom: ["arm"], platform: v6 });
    assert.deepEqual(same.answers, ["restored", "restored"]);
    assert.deepEqual([same.image.config.architecture, same.image.config.variant], ["arm", "v6"]);
  },
);

test("trap 5: texts that can be read in two ways hit only where the source bears them out", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  await loaded(fixture, [env({ A: "b C=d" }), run("use")], "joined");
  const base = await fixture.image("base");
  const apart = await fixture.build([env({ A: "b", C: "d" }), run("use")], { base, cacheFrom: ["joined"] });
  assert.deepEqual(apart.answers, ["miss", "miss"]);
  assert.deepEqual(apart.image.config.config?.Env, ["PATH=/bin", "A=b", "C=d"]);
  const same = await fixture.build([env({ A: "b C=d" }), run("use")], { base, cacheFrom: ["joined"] });
  assert.deepEqual(same.answers, ["restored", "source"]);
  await loaded(fixture, [run(["echo", "x y"]), label("l", "1")], "words");
  const words = await fixture.build([run(["echo", "x", "y"])], { base, cacheFrom: ["words"] });
  assert.deepEqual(words.answers, ["miss"]);
});

test("a source whose last step comes with another config is restored with the step's own", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const x = await loaded(fixture, [set("LABEL a=b c=d", { Labels: new Map([["a", "b c=d"]]) })]);
  const base = await fixture.image("base");
  const Labels = new Map([
    ["a", "b"],
    ["c", "d"],
  ]);
  const built = await fixture.build([set("LABEL a=b c=d", { Labels })], { base, cacheFrom: ["x"] });
  assert.deepEqual(built.answers, ["restored"]);
  assert.notEqual(built.image.id, x.id);
  assert.deepEqual(built.image.config.config?.Labels, Labels);
});

test(
  "trap 2: a restored layer is the source's own blob with its media type; one that is not here is a miss",
  { skip },
  async () => {
    await using fixture = await ClassicFixture.open();
    const x = await loaded(fixture, STEPS);
    const base = await fixture.image("base");
    const built = await fixture.build(STEPS.slice(0, 2), { base, cacheFrom: ["x"] });
    assert.deepEqual(built.image.layers, x.layers.slice(0, built.image.layers.length));
    await fixture.store.content.delete(x.layers.at(-1)?.descriptor.digest ?? x.id);
    assert.deepEqual((await fixture.build(STEPS, { base, cacheFrom: ["x"] })).answers, [
      "restored",
      "restored",
      "miss",
    ]);
  },
);

test("a source whose steps were rebuilt on another base never hits: histories carry times", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  await loaded(fixture, STEPS);
  const base = await fixture.image("base");
  const { image } = await fixture.build([copy("base", "base"), env({ PATH: "/bin" })], { noCache: true });
  assert.deepEqual(
    image.layers.map(({ diffId }) => diffId),
    base.layers.map(({ diffId }) => diffId),
  );
  assert.deepEqual((await fixture.build(STEPS, { base: image, cacheFrom: ["x"] })).answers, ["miss", "miss", "miss"]);
});

test("a local chain goes on where a source's ends", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  await loaded(fixture, STEPS.slice(0, 2));
  const base = await fixture.image("base");
  const first = await fixture.build(STEPS, { base, cacheFrom: ["x"] });
  assert.deepEqual(first.answers, ["restored", "source", "miss"]);
  const second = await fixture.build(STEPS, { base, cacheFrom: ["x"] });
  assert.deepEqual([second.answers, second.ids], [["restored", "source", "local"], first.ids]);
});

test("C32: a source that goes between stages is missed by the next one alone", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  await loaded(fixture, STEPS);
  const base = await fixture.image("base");
  assert.deepEqual((await fixture.build(STEPS.slice(0, 1), { base, cacheFrom: ["x"] })).answers, ["restored"]);
  fixture.store.images.remove("x");
  assert.deepEqual((await fixture.build(STEPS.slice(0, 1), { base, cacheFrom: ["x"] })).answers, ["miss"]);
});

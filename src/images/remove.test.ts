import { listImageEntries } from "./list.ts";
import { historyRows } from "./history.ts";
import { pruneImages } from "./prune.ts";
import { removeImage } from "./remove.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ClassicBuilt, ClassicFixture, copy, env, label, run } from "../../testing/classic.ts";
import { recordsMissing } from "../../testing/records.ts";
import { type Digest, isVarveError } from "../core/index.ts";

const skip = recordsMissing() ?? false;
const STEPS = [env({ A: "1" }), run("make", { made: "1" }), label("l", "1")];
const NAME = "docker.io/library/app:latest";

async function tagged(fixture: ClassicFixture): Promise<ClassicBuilt> {
  const built = await fixture.build(STEPS, { base: await fixture.base() });
  await fixture.tag("app", built.image);
  return built;
}

const conflict =
  (reason: string, soft: boolean) =>
  (error: unknown): boolean => {
    assert.ok(isVarveError(error, "busy"), String(error));
    const { conflict: found } = error.details as { conflict: { reason: string; soft: boolean } };
    assert.deepEqual([found.reason, found.soft], [reason, soft]);
    return true;
  };

const ids = async (fixture: ClassicFixture, all = false): Promise<Digest[]> =>
  (await listImageEntries(fixture.store, { all })).map(({ image }) => image.id);

test(
  "unnamed ancestors are listed only with all; an unnamed image without children is always listed",
  { skip },
  async () => {
    await using fixture = await ClassicFixture.open();
    const built = await tagged(fixture);
    const base = await fixture.image("base");
    assert.deepEqual(await ids(fixture), [built.image.id, base.id]);
    assert.deepEqual(await ids(fixture, true), [...built.ids.toReversed(), base.id]);
    fixture.store.images.remove("app");
    const [shown] = await listImageEntries(fixture.store);
    assert.deepEqual([shown?.image.id, shown?.names], [built.image.id, []]);
  },
);

test("an image whose name moves becomes untagged, until it is named again", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const base = await fixture.base();
  const { image } = await fixture.build(STEPS, { base });
  await fixture.tag("base", image);
  await fixture.collect();
  const untagged = (await listImageEntries(fixture.store, { all: true })).find((entry) => entry.image.id === base.id);
  assert.deepEqual(untagged?.names, []);
  assert.equal((await fixture.image(base.id)).layers.length, base.layers.length);
  await fixture.tag("again", base);
  assert.deepEqual(
    (await listImageEntries(fixture.store, { all: true })).filter(({ names }) => names.length === 0).length,
    2,
  );
});

test(
  "the parent of an image is the previous step; a loaded image has no parent, and one ID in its history",
  { skip },
  async () => {
    await using fixture = await ClassicFixture.open();
    const { image, ids: steps } = await tagged(fixture);
    assert.equal((await fixture.image("app")).parent, steps.at(-2));
    const archive = await fixture.save(image, "app");
    await removeImage(fixture.store, "app");
    await fixture.load(archive);
    const found = await fixture.image("app");
    assert.deepEqual([found.id, found.parent], [image.id, undefined]);
    const [first, ...rest] = historyRows(fixture.store, found);
    assert.deepEqual([first?.id, first?.names, rest.map(({ id }) => id).join("")], [image.id, [NAME], ""]);
  },
);

test("removing one of two names keeps the image", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const { image } = await tagged(fixture);
  await fixture.tag("other", image);
  assert.deepEqual(await removeImage(fixture.store, "app"), [
    { kind: "untagged", reference: NAME, id: image.id, config: image.config },
  ]);
  assert.equal((await fixture.image("other")).id, image.id);
});

test("an ID with several names is removed only by force, with all its names", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const { image } = await tagged(fixture);
  await fixture.tag("other", image);
  await assert.rejects(removeImage(fixture.store, image.id), conflict("several-references", true));
  const removed = await removeImage(fixture.store, image.id, { force: true });
  assert.deepEqual(
    removed.slice(0, 3).map((each) => (each.kind === "untagged" ? each.reference : each.id)),
    [NAME, "docker.io/library/other:latest", image.id],
  );
});

test("an image in use is removed only by force, and not by ID while the container runs", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const { image } = await tagged(fixture);
  const stopped = { inUse: (id: Digest) => (id === image.id ? ("stopped" as const) : undefined) };
  const running = { inUse: (id: Digest) => (id === image.id ? ("running" as const) : undefined) };
  await assert.rejects(removeImage(fixture.store, "app", stopped), conflict("in-use", true));
  await assert.rejects(removeImage(fixture.store, image.id, { ...running, force: true }), conflict("in-use", false));
  const kept = await removeImage(fixture.store, "app", { ...running, force: true });
  assert.deepEqual(kept, [{ kind: "untagged", reference: NAME, id: image.id, config: image.config }]);
  await fixture.collect();
  assert.equal((await fixture.image(image.id)).id, image.id);
  const removed = await removeImage(fixture.store, image.id, { ...stopped, force: true });
  assert.equal(removed[0]?.kind, "deleted");
});

test("removing the last name deletes untagged parents that nothing else needs, and their cache", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const { ids: steps } = await tagged(fixture);
  const base = await fixture.image("base");
  const other = await fixture.build([...STEPS.slice(0, 1), run("other", { o: "1" })], { base });
  await fixture.tag("other", other.image);
  const removed = await removeImage(fixture.store, "app");
  assert.deepEqual(
    removed.filter(({ kind }) => kind === "deleted").map(({ id }) => id),
    [steps[2], steps[1]],
  );
  await fixture.collect();
  const built = await fixture.build(STEPS, { base });
  assert.deepEqual(built.answers, ["local", "miss", "miss"]);
});

test("with noPrune only the last step is deleted from the cache", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const { image } = await tagged(fixture);
  const removed = await removeImage(fixture.store, "app", { noPrune: true });
  assert.deepEqual(removed.slice(1), [{ kind: "deleted", id: image.id }]);
  await fixture.collect();
  const built = await fixture.build(STEPS, { base: await fixture.image("base") });
  assert.deepEqual(built.answers, ["local", "local", "miss"]);
});

test(
  "an image that others were built from stays, with or without a name, and so do its parents",
  { skip },
  async () => {
    await using fixture = await ClassicFixture.open();
    const { image, ids: steps } = await tagged(fixture);
    const base = await fixture.image("base");
    await assert.rejects(removeImage(fixture.store, steps[1] ?? "", { force: true }), conflict("children", false));
    const removed = await removeImage(fixture.store, "base");
    assert.deepEqual(
      removed.map(({ kind }) => kind),
      ["untagged"],
    );
    await fixture.collect();
    const rows = historyRows(fixture.store, image);
    assert.deepEqual(
      rows.map(({ id }) => id),
      [...steps.toReversed(), base.id, undefined],
    );
    assert.deepEqual((await fixture.build(STEPS, { base })).answers, ["local", "local", "local"]);
  },
);

test("pruning keeps the ancestors of images that stay, and removes whole unnamed chains", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const { image } = await tagged(fixture);
  const base = await fixture.image("base");
  const failed = await fixture.build([copy("f", "1"), run("fails")], { base });
  const removed = await pruneImages(fixture.store);
  assert.deepEqual(
    removed.map(({ id }) => id),
    failed.ids.toReversed(),
  );
  await fixture.collect();
  const again = await fixture.build(STEPS, { base });
  assert.deepEqual([again.answers, again.image.id], [["local", "local", "local"], image.id]);
});

test("pruning all images removes those that no container uses and that the filter matches", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const { image } = await tagged(fixture);
  const base = await fixture.image("base");
  const kept = await pruneImages(fixture.store, { dangling: false, matches: () => false });
  assert.deepEqual(kept, []);
  await pruneImages(fixture.store, { dangling: false, inUse: (id) => (id === image.id ? "stopped" : undefined) });
  assert.deepEqual(await ids(fixture), [image.id]);
  assert.equal(fixture.relations.get(base.id)?.id, base.id);
  await pruneImages(fixture.store, { dangling: false });
  await fixture.collect();
  assert.deepEqual(await ids(fixture, true), []);
  // The build cache may still keep layers, but not manifests and configs.
  assert.equal(fixture.store.content.info(image.manifest.digest), undefined);
});

test("one of two concurrent prunes is rejected", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  await tagged(fixture);
  const both = await Promise.allSettled([pruneImages(fixture.store), pruneImages(fixture.store)]);
  const refused = both.filter((each) => each.status === "rejected");
  assert.equal(refused.length, 1);
  assert.ok(isVarveError(refused[0]?.reason, "busy"));
  await pruneImages(fixture.store);
});

test("an unknown image is not found; a name whose documents are missing can be removed", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const { image } = await tagged(fixture);
  for (const text of ["nosuch", "f".repeat(64)])
    await assert.rejects(removeImage(fixture.store, text), (error) => isVarveError(error, "not-found"));
  await fixture.store.content.delete(image.manifest.digest);
  assert.deepEqual(
    (await removeImage(fixture.store, "app")).map(({ kind }) => kind),
    ["untagged"],
  );
  assert.deepEqual(await removeImage(fixture.store, image.id), [{ kind: "deleted", id: image.id }]);
  assert.equal(fixture.relations.get(image.id), undefined);
});

test("a name that moves to another image during its removal stays", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  await tagged(fixture);
  const base = await fixture.image("base");
  const removing = removeImage(fixture.store, "app");
  fixture.store.images.tag("app", base.manifest);
  await assert.rejects(removing, (error) => isVarveError(error, "not-found"));
  assert.equal((await fixture.image("app")).id, base.id);
});

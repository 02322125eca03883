import { removeImage } from "./remove.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClassicFixture, copy, env } from "../../testing/classic.ts";
import { recordsMissing } from "../../testing/records.ts";
import { digestOf } from "../core/index.ts";
import { squashImage } from "./squash.ts";

const skip = recordsMissing() ?? false;

test("a squashed image has one layer above its base, no parent, and is not a cache candidate", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const base = await fixture.base();
  const steps = [env({ A: "1" }), copy("f", "1"), copy("g", "2")];
  const { image } = await fixture.build(steps, { base });
  const squashed = await squashImage(image, base, fixture.store, fixture.hold);
  assert.deepEqual(squashed.layers.slice(0, -1), base.layers);
  assert.equal(squashed.layers.length, base.layers.length + 1);
  assert.deepEqual([squashed.parent, squashed.builtHere, squashed.containerConfig], [undefined, false, undefined]);
  assert.deepEqual(fixture.relations.get(squashed.id)?.manifest, squashed.manifest);
  assert.deepEqual(squashed.config.config, image.config.config);
  assert.deepEqual(squashed.config.history, [
    ...base.config.history,
    ...image.config.history.slice(base.config.history.length).map((entry) => ({ ...entry, empty_layer: true })),
    { created: squashed.config.created, comment: `merge ${image.id} to ${base.id}` },
  ]);
  assert.deepEqual((await fixture.build(steps, { base })).image.id, image.id);
});

test("squashing an image without layers adds an empty layer", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const { image } = await fixture.build([env({ A: "1" })]);
  const squashed = await squashImage(image, undefined, fixture.store, fixture.hold);
  assert.deepEqual(squashed.config.rootfs.diff_ids, [digestOf(new Uint8Array(1024))]);
  assert.deepEqual(
    squashed.config.history.map((entry) => entry.empty_layer === true),
    [true, false],
  );
});

test("a squashed image stays when its source image is removed", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const { image } = await fixture.build([copy("f", "1"), copy("g", "2")]);
  const squashed = await squashImage(image, undefined, fixture.store, fixture.hold);
  assert.equal(squashed.config.history.at(-1)?.comment, `create new from ${image.id}`);
  await removeImage(fixture.store, image.id, { force: true, noPrune: false, inUse: () => undefined });
  await fixture.collect();
  assert.equal(squashed.layers.length, 1);
  for (const { descriptor } of squashed.layers) assert.ok(fixture.store.content.info(descriptor.digest));
  assert.deepEqual((await fixture.store.content.verify()).damaged, []);
});

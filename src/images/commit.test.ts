import { type CommitRequest, commitImage } from "./commit.ts";
import { allImageEntries } from "./find.ts";
import { recordOf } from "./records.ts";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { ClassicFixture, copy, env, run } from "../../testing/classic.ts";
import { recordsMissing } from "../../testing/records.ts";
import { type Digest, hostPlatform, isDigest } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { SCRATCH } from "../record/index.ts";

const skip = recordsMissing() ?? false;
const SCRIPT = join(import.meta.dirname, "../../testing/classic-process.ts");

function request(change: Partial<CommitRequest> = {}): CommitRequest {
  const config = { Env: ["A=1"], OpenStdin: false, Hostname: "h" };
  const common = { parent: undefined, record: undefined, config, containerConfig: config };
  return { ...common, createdBy: "x", platform: hostPlatform(), created: 1_700_000_000_000_000_001n, ...change };
}

/** Asserts that no image lacks a document or a layer. Returns the IDs of the images. */
async function whole(fixture: ClassicFixture): Promise<Digest[]> {
  const images = (await allImageEntries(fixture.store)).map(({ image }) => image);
  assert.equal(
    images.length,
    new Set([...fixture.relations.list().map(({ id }) => id), ...images.map(({ id }) => id)]).size,
  );
  for (const { layers, config } of images) {
    for (const { descriptor } of layers) assert.ok(fixture.store.content.info(descriptor.digest), descriptor.digest);
    assert.equal(config.history.filter((entry) => entry.empty_layer !== true).length, layers.length);
  }
  assert.deepEqual((await fixture.store.content.verify()).damaged, []);
  return images.map(({ id }) => id);
}

test(
  "an image can have no layers; an image has as many layers as history entries that are not empty",
  { skip },
  async () => {
    await using fixture = await ClassicFixture.open();
    const bare = await commitImage(request({ comment: "c", author: "a" }), fixture.store, fixture.hold);
    assert.deepEqual(bare.config.history, [
      { created: "2023-11-14T22:13:20.000000001Z", created_by: "x", author: "a", comment: "c", empty_layer: true },
    ]);
    assert.deepEqual([bare.layers, bare.config.rootfs.diff_ids, bare.config.author], [[], [], "a"]);
    assert.deepEqual(bare.config.config, { Env: ["A=1"] });
    assert.equal(bare.containerConfig?.Hostname, "h");
    const built = await fixture.build([env({ A: "1" }), copy("f", "1"), run("nothing"), copy("g", "2")]);
    assert.deepEqual(
      built.image.config.history.map((entry) => entry.empty_layer === true),
      [true, false, true, false],
    );
    await fixture.tag("bare", bare);
    const archive = await fixture.save(bare, "bare");
    await fixture.load(archive);
    assert.equal((await fixture.image("bare")).id, bare.id);
    await whole(fixture);
  },
);

test("a step that changes no files adds no layer", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const base = await fixture.base();
  await using layer = await fixture.store.records.begin(
    recordOf(base, fixture.store.records, fixture.hold.lease),
    {},
    fixture.hold,
  );
  const { id } = await layer.commit();
  const image = await commitImage(request({ parent: base, record: id }), fixture.store, fixture.hold);
  assert.deepEqual(image.layers, base.layers);
  assert.equal(image.config.history.at(-1)?.empty_layer, true);
  const none = await commitImage(request({ parent: base, record: SCRATCH }), fixture.store, fixture.hold);
  assert.equal(none.id, image.id);
});

test(
  "the same request with the same time creates the same image; with another time, another image",
  { skip },
  async () => {
    await using fixture = await ClassicFixture.open();
    const [first, second] = [
      await commitImage(request(), fixture.store, fixture.hold),
      await commitImage(request(), fixture.store, fixture.hold),
    ];
    assert.deepEqual(second, first);
    const later = await commitImage(request({ created: 2n }), fixture.store, fixture.hold);
    assert.notEqual(later.id, first.id);
    const { created: _created, ...timeless } = request();
    const [a, b] = await Promise.all([1, 2].map(() => commitImage(timeless, fixture.store, fixture.hold)));
    assert.notEqual(a?.id, b?.id);
  },
);

test("garbage collection that runs all the time deletes nothing that builds need", { skip }, async () => {
  await using fixture = await ClassicFixture.open();
  const finished = new AbortController();
  const builds = Promise.all(
    ["a", "b", "c"].map(async (name) => {
      const ids: Digest[] = [];
      for (let n = 0; n < 4; n++) {
        const built = await fixture.build([env({ N: `${n}` }), copy("f", `${name} ${n}`), run("make", { g: `${n}` })]);
        ids.push(...built.ids);
      }
      return ids;
    }),
  ).finally(() => finished.abort());
  while (!finished.signal.aborted) await fixture.collect();
  const ids = (await builds).flat();
  await fixture.collect();
  const there = new Set(await whole(fixture));
  assert.deepEqual(
    ids.filter((id) => !there.has(id)),
    [],
  );
});

test("two processes build in one root while a third collects garbage; all images are complete", { skip }, async () => {
  await using dir = await temporaryDirectory();
  await using fixture = await ClassicFixture.open(dir.path);
  const finished = new AbortController();
  const children = Promise.all(["p", "q"].map((name) => finish([dir.path, name, "5"]))).finally(() => finished.abort());
  while (!finished.signal.aborted) await fixture.collect();
  const ids = (await children).flat();
  await fixture.collect();
  const there = new Set<string>(await whole(fixture));
  assert.equal(ids.length, 10);
  assert.deepEqual(
    ids.filter((id) => !there.has(id)),
    [],
  );
});

test(
  "a process that is killed leaves complete images, all that it reported, and nothing that cannot be collected",
  { skip },
  async () => {
    await using dir = await temporaryDirectory();
    for (const builds of [1, 2, 3]) {
      const child = spawn(process.execPath, [SCRIPT, dir.path, `k${builds}`, "1000"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const told: string[] = [];
      for await (const line of createInterface(child.stdout)) {
        told.push(line);
        if (told.length === builds) child.kill("SIGKILL");
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, "close");
      await using fixture = await ClassicFixture.open(dir.path);
      // Simulates that the leases of the killed process have expired.
      fixture.store.state.run("UPDATE lease SET expires_at = 0 WHERE id != ?", fixture.hold.lease.id);
      await fixture.collect();
      const there = new Set<string>(await whole(fixture));
      assert.ok(told.length >= builds);
      assert.deepEqual(
        told.filter((id) => !there.has(id)),
        [],
      );
      await fixture.collect();
      const before = [...fixture.store.content.walk()].length;
      await fixture.collect();
      assert.equal([...fixture.store.content.walk()].length, before);
    }
  },
);

async function finish(args: readonly string[]): Promise<string[]> {
  const child = spawn(process.execPath, [SCRIPT, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  for await (const line of createInterface(child.stdout)) lines.push(line);
  if (child.exitCode === null && child.signalCode === null) await once(child, "close");
  assert.equal(child.exitCode, 0);
  assert.ok(lines.every(isDigest));
  return lines;
}

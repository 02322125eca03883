import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { type BuildFixture, buildFixture } from "../../testing/builds.ts";
import { recordsMissing } from "../../testing/records.ts";
import { Collector } from "./collector.ts";
import { type PruneReport, diskUsage, prune } from "./prune.ts";

const skip = recordsMissing() ?? false;
const NOWHERE = { outputs: [{ type: "cacheonly" }] } as const;

async function context(fixture: BuildFixture, text: string): Promise<string> {
  return await fixture.files("c", { Dockerfile: "FROM scratch\nCOPY f /f\nCOPY f /g\n", f: text });
}

test("after a build nothing is in use, and everything can be removed", { skip }, async () => {
  await using fixture = await buildFixture();
  const dest = join(fixture.folder, "out.tar");
  await fixture.build(await context(fixture, "1"), { outputs: [{ type: "oci", dest }] });
  const usages = await diskUsage(fixture.store);
  assert.ok(usages.length > 0 && usages.every(({ inUse }) => !inUse));
  assert.deepEqual(await diskUsage(fixture.store, { filters: ["inuse"] }), []);
  assert.deepEqual(await diskUsage(fixture.store, { ageLimit: 3_600_000 }), [], "all were used a moment ago");
  await assert.rejects(diskUsage(fixture.store, { filters: ["type=regular"] }), { code: "invalid-argument" });
  const removed: string[] = [];
  const { records } = await prune(fixture.store, { all: true }, { onRemoved: ({ id }) => void removed.push(id) });
  assert.deepEqual(
    removed,
    records.map(({ id }) => id),
  );
  assert.equal(removed.length, usages.length);
  assert.deepEqual(await diskUsage(fixture.store), []);
  assert.deepEqual([...fixture.store.content.walk()], []);
});

/** A collector whose collections a test can wait for. */
function collecting(
  { store }: BuildFixture,
  settings: ConstructorParameters<typeof Collector>[1],
): { readonly collector: Collector; readonly next: () => Promise<PruneReport> } {
  let collected = Promise.withResolvers<PruneReport>();
  const collector = new Collector(store, settings, {
    delay: 1,
    interval: 1,
    onCollected: (report) => collected.resolve(report),
    onError: (error) => collected.reject(error),
  });
  const next = async (): Promise<PruneReport> => {
    collected = Promise.withResolvers();
    collector.schedule();
    collector.schedule();
    return await collected.promise;
  };
  return { collector, next };
}

test("policies are applied after builds, and what a build uses stays", { skip }, async () => {
  await using fixture = await buildFixture();
  const { collector, next } = collecting(fixture, { policies: [{ filters: ["type==regular"] }, { all: true }] });
  await using _collector = collector;
  for (const text of ["1", "2"]) {
    await fixture.build(await context(fixture, text), NOWHERE);
    const [kept] = await diskUsage(fixture.store, { filters: ['type==regular,description~="f /g"'] });
    assert.ok(kept, "there is a record of the last step");
    await using lease = await fixture.store.content.lease();
    lease.add("record", kept.id);
    await next();
    const left = await diskUsage(fixture.store);
    assert.ok(left.length > 0 && left.every(({ inUse }) => inUse));
    await lease[Symbol.asyncDispose]();
    const { records, reclaimed } = await next();
    assert.ok(reclaimed > 0);
    assert.equal(records.length, left.length);
    assert.deepEqual(await diskUsage(fixture.store), []);
  }
});

test("nothing is collected if it is disabled, or after disposal", { skip }, async () => {
  await using fixture = await buildFixture();
  await fixture.build(await context(fixture, "1"), NOWHERE);
  const before = await diskUsage(fixture.store);
  const collectors = [
    collecting(fixture, { enabled: false, policies: [{ all: true }] }).collector,
    collecting(fixture, { policies: [{ all: true }] }).collector,
  ];
  await collectors[1]?.[Symbol.asyncDispose]();
  for (const collector of collectors) {
    collector.schedule();
    await collector[Symbol.asyncDispose]();
  }
  assert.deepEqual(await diskUsage(fixture.store), before);
});

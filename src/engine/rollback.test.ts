import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type BuildFixture, buildFixture } from "../../testing/builds.ts";
import { recordsMissing } from "../../testing/records.ts";

const skip = recordsMissing() ?? false;
const DOCKERFILE = "FROM scratch AS a\nCOPY f /f\nCOPY g /g\nFROM scratch\nCOPY --from=a / /\nCOPY h /h\n";

async function context(fixture: BuildFixture, h: string): Promise<string> {
  return await fixture.files("c", { Dockerfile: DOCKERFILE, f: "f", g: "g", h });
}

function snapshotsOf({ folder }: BuildFixture): string[] {
  const root = join(folder, "root/snapshots");
  return readdirSync(root)
    .filter((name) => /^\d+$/.test(name))
    .map((name) => join(root, name));
}

test("a build whose cached steps have lost files runs them again, with the same result", { skip }, async () => {
  const dest = (fixture: BuildFixture, name: string): string => join(fixture.folder, name);
  for (const index of [0, 1, 2, 3]) {
    await using fixture = await buildFixture();
    await fixture.build(await context(fixture, "1"), { outputs: [{ type: "cacheonly" }] });
    const snapshots = snapshotsOf(fixture);
    const victim = snapshots[index];
    assert.ok(victim !== undefined, `there are ${snapshots.length}`);
    rmSync(victim, { recursive: true });
    await fixture.build(await context(fixture, "2"), { outputs: [{ type: "local", dest: dest(fixture, "out") }] });
    assert.deepEqual(readdirSync(dest(fixture, "out")), ["f", "g", "h"]);
  }
});

test("a build whose cached steps have lost blobs and files succeeds", { skip }, async () => {
  await using fixture = await buildFixture();
  const first = await fixture.build(await context(fixture, "1"), { tags: ["t:1"] });
  for (const path of snapshotsOf(fixture)) rmSync(path, { recursive: true });
  rmSync(join(fixture.folder, "root/content/blobs/sha256"), { recursive: true });
  const second = await fixture.build(await context(fixture, "1"), {
    outputs: [{ type: "local", dest: join(fixture.folder, "out") }],
  });
  assert.deepEqual(readdirSync(join(fixture.folder, "out")), ["f", "g", "h"]);
  assert.deepEqual(
    second.steps.map((step) => step.name),
    first.steps.map((step) => step.name),
  );
});

import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type BuildRoom, buildRoom } from "../../testing/builds.ts";
import { recordsMissing } from "../../testing/records.ts";

const skip = recordsMissing() ?? false;
const DOCKERFILE = "FROM scratch AS a\nCOPY f /f\nCOPY g /g\nFROM scratch\nCOPY --from=a / /\nCOPY h /h\n";

async function context(room: BuildRoom, h: string): Promise<string> {
  return await room.files("c", { Dockerfile: DOCKERFILE, f: "f", g: "g", h });
}

function snapshotsOf({ folder }: BuildRoom): string[] {
  const root = join(folder, "root/snapshots");
  return readdirSync(root)
    .filter((name) => /^\d+$/.test(name))
    .map((name) => join(root, name));
}

test("a build whose cached steps have lost files runs them again, with the same result", { skip }, async () => {
  const dest = (room: BuildRoom, name: string): string => join(room.folder, name);
  for (const index of [0, 1, 2, 3]) {
    await using room = await buildRoom();
    await room.build(await context(room, "1"), { outputs: [{ type: "cacheonly" }] });
    const snapshots = snapshotsOf(room);
    const victim = snapshots[index];
    assert.ok(victim !== undefined, `there are ${snapshots.length}`);
    rmSync(victim, { recursive: true });
    await room.build(await context(room, "2"), { outputs: [{ type: "local", dest: dest(room, "out") }] });
    assert.deepEqual(readdirSync(dest(room, "out")), ["f", "g", "h"]);
  }
});

test("a build whose cached steps have lost blobs and files succeeds", { skip }, async () => {
  await using room = await buildRoom();
  const first = await room.build(await context(room, "1"), { tags: ["t:1"] });
  for (const path of snapshotsOf(room)) rmSync(path, { recursive: true });
  rmSync(join(room.folder, "root/content/blobs/sha256"), { recursive: true });
  const second = await room.build(await context(room, "1"), {
    outputs: [{ type: "local", dest: join(room.folder, "out") }],
  });
  assert.deepEqual(readdirSync(join(room.folder, "out")), ["f", "g", "h"]);
  assert.deepEqual(
    second.steps.map((step) => step.name),
    first.steps.map((step) => step.name),
  );
});

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { temporaryDirectory } from "../src/io/index.ts";
import { hasCapability } from "../src/linux/index.ts";
import { type DriverName, openSnapshotter } from "../src/snapshot/index.ts";
import { openState } from "../src/state/index.ts";
import type { SnapshotterUnderTest } from "./contracts/snapshotter.ts";

/** A snapshotter on a root of its own that goes with the test. */
export async function temporarySnapshotter(
  t: TestContext,
  driver: DriverName,
): Promise<SnapshotterUnderTest | undefined> {
  if (!hasCapability("sys_admin") || !hasCapability("mknod")) {
    t.skip("needs root: the trees hold owners and devices");
    return undefined;
  }
  const directory = await temporaryDirectory("varve-snapshotter-");
  t.after(() => directory[Symbol.asyncDispose]());
  const state = openState(join(directory.path, "state.db"));
  t.after(() => state.close());
  const reopen = (): SnapshotterUnderTest["snapshotter"] => {
    const own = openState(join(directory.path, "state.db"));
    t.after(() => own.close());
    return openSnapshotter({ root: join(directory.path, "snapshots"), state: own, driver });
  };
  return {
    snapshotter: openSnapshotter({ root: join(directory.path, "snapshots"), state, driver }),
    root: directory.path,
    reopen,
    directories: async () => (await readdir(join(directory.path, "snapshots"))).filter((name) => name !== "empty"),
    forget: (...names) => {
      for (const name of names) {
        state.run("DELETE FROM snapshot WHERE name = ?", name);
        state.run("DELETE FROM edge WHERE from_kind = 'snapshot' AND from_id = ?", name);
      }
    },
  };
}

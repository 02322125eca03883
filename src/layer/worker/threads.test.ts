import assert from "node:assert/strict";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { collect, temporaryDirectory } from "../../io/index.ts";
import type { DiffJob } from "../diff-job.ts";
import { diffInThread } from "./run-in-thread.ts";

test("a thread ends when it has had no job for a while", async (t) => {
  await using folder = await temporaryDirectory("varve-worker-");
  await writeFile(join(folder.path, "file"), "content");
  const job: DiffJob = { kind: "diff", lower: undefined, upper: folder.path, overlay: undefined };
  const archive = async (): Promise<Buffer> =>
    Buffer.from(await collect(diffInThread(job, undefined), 10_000, { what: "it" }));
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const first = await archive();
  t.mock.timers.tick(9000);
  assert.ok((await archive()).equals(first));
  t.mock.timers.tick(9000);
  assert.ok((await layerThreads()) > 0, "it has had a job in the meantime");
  t.mock.timers.tick(1000);
  while ((await layerThreads()) > 0) await setImmediate();
  assert.ok((await archive()).equals(first), "a new one starts");
});

/** The number of threads for layers, by the names that the kernel has of them. */
async function layerThreads(): Promise<number> {
  const names = (await readdir("/proc/self/task")).map(async (thread) => {
    return await readFile(`/proc/self/task/${thread}/comm`, "utf8").catch(() => "");
  });
  return (await Promise.all(names)).filter((name) => name.startsWith("varve-layer")).length;
}

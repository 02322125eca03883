import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { remainingProcesses, stepCapacity } from "./capacity.ts";
import type { CgroupHierarchy } from "./layout.ts";

test("the scarcest resource bounds the number of steps, and one per processor always runs", () => {
  const plenty = { memory: 2 ** 50, processes: Infinity, files: Infinity };
  assert.equal(stepCapacity(plenty), 512);
  assert.equal(stepCapacity({ ...plenty, memory: 100 * 16 * 2 ** 20 }), 100);
  assert.equal(stepCapacity({ ...plenty, processes: 200 * 16 + 15 }), 200);
  assert.equal(stepCapacity({ ...plenty, files: 300 * 16 }), 300);
  assert.equal(stepCapacity({ ...plenty, memory: 0 }), availableParallelism());
  assert.equal(stepCapacity({ ...plenty, processes: -5 }), availableParallelism());
  assert.ok(stepCapacity() >= availableParallelism());
});

test("processes are limited by the kernel and by every control group above", () => {
  const hierarchy = (version: 1 | 2, controllers: readonly string[]): CgroupHierarchy => ({
    version,
    controllers,
    mountPoint: "/cg",
    own: "/cg/a/b",
  });
  const reader = (files: Readonly<Record<string, string>>) => (path: string) => files[path] ?? "";
  const files = {
    "/proc/sys/kernel/pid_max": "32768\n",
    "/cg/a/b/pids.max": "max\n",
    "/cg/a/b/pids.current": "7\n",
    "/cg/a/pids.max": "1000\n",
    "/cg/a/pids.current": "100\n",
  };
  for (const hierarchies of [[hierarchy(2, [])], [hierarchy(1, ["pids"])]])
    assert.equal(remainingProcesses(hierarchies, reader(files)), 900);
  assert.equal(remainingProcesses([hierarchy(1, ["memory"])], reader(files)), 32_768);
  assert.equal(remainingProcesses([hierarchy(2, [])], reader({})), Infinity);
});

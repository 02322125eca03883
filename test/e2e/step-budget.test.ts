import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { buildsUnavailable, sharedVarve } from "../../testing/varve.ts";

const { skip, varve, base } = await sharedVarve();

/** Calls of the kernel by all processes of a build with this number of steps that do nothing. */
async function callsOf(steps: number): Promise<{ readonly programs: number; readonly syncs: number }> {
  const folder = await varve.context(`steps-${steps}`, `FROM ${base}\n${"RUN true\n".repeat(steps)}`);
  const trace = join(varve.folder, `trace-${steps}.txt`);
  const wrapper = ["strace", "-f", "-qq", "-e", "trace=execve,execveat,syncfs,fsync,fdatasync", "-o", trace];
  await varve.build(["--no-cache", folder], { wrapper });
  const lines = (await readFile(trace, "utf8")).split("\n");
  const count = (call: RegExp): number => lines.filter((line) => call.test(line)).length;
  return {
    programs: count(/ execve(?:at)?\(.* = 0|<\.\.\. execve.* = 0/),
    syncs: count(/ (?:syncfs|fsync|fdatasync)\(/),
  };
}

test(
  "a step starts few programs, and does not wait for the disk",
  { skip: skip ?? buildsUnavailable("strace") ?? false },
  async () => {
    const few = await callsOf(2);
    const many = await callsOf(12);
    const programs = (many.programs - few.programs) / 10;
    // setpriv, unshare, sh, unshare, the runtime (twice for crun), the step's shell; where cgroups are hidden, sh and umount too.
    assert.ok(programs <= 9, `${programs} programs a step`);
    assert.ok(programs >= 5, "they are counted");
    // One sync a second at most covers all steps of that second; under strace these steps take a few seconds.
    assert.ok(many.syncs - few.syncs < 10, `${few.syncs} and ${many.syncs} syncs`);
  },
);

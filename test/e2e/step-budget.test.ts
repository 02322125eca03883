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

/** Calls of the kernel by a cached build. */
async function cachedCallsOf(
  files: number,
  steps: number,
): Promise<Record<"stats" | "opens" | "locks" | "syncs", number>> {
  const names = Array.from({ length: files }, (_, index) => `src/${index % 10}/file-${index}`);
  const dockerfile = `FROM ${base}\nCOPY src /src\n${"RUN true\n".repeat(steps)}`;
  const folder = await varve.context(
    `cached-${files}`,
    dockerfile,
    Object.fromEntries(names.map((name) => [name, name])),
  );
  const trace = join(varve.folder, `cached-${files}.txt`);
  const calls = "trace=stat,lstat,statx,newfstatat,open,openat,openat2,fcntl,fsync,fdatasync,syncfs";
  const build = ["-o", "type=cacheonly", folder];
  // A file that changed in the instant in which it was hashed is hashed again.
  for (let count = 0; count < 2; count += 1) await varve.build(build);
  await varve.build(build, { wrapper: ["strace", "-f", "-qq", "-y", "-e", calls, "-o", trace] });
  const lines = (await readFile(trace, "utf8")).split("\n");
  const count = (call: RegExp): number => lines.filter((line) => call.test(line)).length;
  return {
    stats: count(/ (?:l?stat|statx|newfstatat)\(/),
    opens: count(/ open(?:at2?)?\(.*= \d/),
    locks: count(/ fcntl\(\d+<[^>]*state\.db-shm>/),
    syncs: count(/ (?:fsync|fdatasync|syncfs)\(\d+<\//),
  };
}

test(
  "a cached build looks at each file once, opens none, and waits for the disk a few times",
  { skip: skip ?? buildsUnavailable("strace") ?? false },
  async () => {
    const few = await cachedCallsOf(200, 2);
    const many = await cachedCallsOf(1200, 12);
    const more = (call: keyof typeof few): number => many[call] - few[call];
    assert.ok(more("stats") >= 1000 && more("stats") <= 1000 + 10 * 8, `${more("stats")} looks at 1,000 files`);
    assert.ok(Math.abs(more("opens")) <= 10, `${more("opens")} files opened`);
    // A query of the cache locks and unlocks the database.
    assert.ok(more("locks") / 10 <= 36, `${more("locks") / 10} locks for each step`);
    // The log of the database and its directory, both once more and the database when it is closed, and the file with the metadata.
    assert.ok(many.syncs <= 6 && few.syncs <= 6, `${few.syncs} and ${many.syncs} syncs`);
  },
);

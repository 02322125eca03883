import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { temporaryDirectory } from "../../io/index.ts";
import { hasCapability } from "../../linux/index.ts";

const skip = hasCapability("sys_admin") ? false : "needs CAP_SYS_ADMIN";

/** Mounts a tree, and says where, and in which mount namespaces the threads are that touch files. */
const SCRIPT = `
import { readFile } from "node:fs/promises";
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { unshareMounts } from ${JSON.stringify(new URL("../../linux/index.ts", import.meta.url).href)};
import { MountPoints } from ${JSON.stringify(new URL("mount-points.ts", import.meta.url).href)};
const [directory, source, when] = process.argv.slice(1);
if (when === "first") unshareMounts();
// libuv's pool is started, as by any program that reads a file.
await readFile("/proc/self/status");
if (when === "late") unshareMounts();
const mounts = new MountPoints(directory);
const tree = await mounts.mount({ kind: "bind", source, readonly: true });
const namespaces = readdirSync("/proc/self/task")
  .filter((thread) => thread === String(process.pid) || /libuv/.test(readFileSync("/proc/self/task/" + thread + "/comm")))
  .map((thread) => readlinkSync("/proc/self/task/" + thread + "/ns/mnt"));
console.log(JSON.stringify({ path: tree.path, namespaces }));
setInterval(() => tree, 1000);`;

const isMounted = (path: string): boolean => readFileSync("/proc/self/mountinfo", "utf8").includes(path);

for (const [when, isPrivate] of [
  ["first", true],
  ["late", false],
  ["never", false],
] as const) {
  test(`a process that unshares its mounts ${when} leaves none when it is killed`, { skip }, async (t) => {
    await using directory = await temporaryDirectory("varve-mount-points-");
    const [points, source] = [join(directory.path, "mounts"), join(directory.path, "source")];
    mkdirSync(source);
    const args = ["--input-type=module-typescript", "-e", SCRIPT, points, source, when];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    t.after(() => child.kill("SIGKILL"));
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const { path, namespaces } = JSON.parse(line.toString()) as { path: string; namespaces: string[] };
    const own = readlinkSync("/proc/self/ns/mnt");
    assert.equal(
      namespaces.every((namespace) => namespace !== own),
      isPrivate,
    );
    assert.equal(isMounted(path), !isPrivate);
    child.kill("SIGKILL");
    await once(child, "close");
    for (let attempt = 0; attempt < 500 && isMounted(path); attempt += 1) await sleep(10);
    assert.equal(isMounted(path), false);
    if (isPrivate) return;
    for (let attempt = 0; attempt < 500 && readdirSync(points).length > 1; attempt += 1) await sleep(10);
    // The lock is for the next process to find.
    assert.match(readdirSync(points).join(), /^\d+-[0-9a-f]+\.lock$/);
  });
}

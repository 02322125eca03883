import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import type { SnapshotterUnderTest } from "../../testing/contracts/snapshotter.ts";
import { temporarySnapshotter } from "../../testing/snapshotter.ts";
import { isVarveError } from "../core/index.ts";
import { lgetxattr } from "../linux/index.ts";
import { mountSnapshot, overlayWorks } from "./index.ts";

test("a chain of 300 layers mounts", async (t) => {
  const under = await temporarySnapshotter(t, "overlay");
  if (under === undefined) return;
  const { snapshotter: s } = under;
  let parent: string | undefined;
  for (let index = 0; index < 300; index += 1) {
    const spec = await s.prepare("key", parent);
    const upper = spec.kind === "overlay" ? spec.upper : spec.source;
    writeFileSync(join(String(upper), `f${index % 100}`), String(index));
    await s.commit(`l${index}`, "key");
    parent = `l${index}`;
  }
  await using tree = await mountSnapshot(await s.mounts("l299"));
  assert.equal(readdirSync(tree.path).length, 100);
  assert.equal(readFileSync(join(tree.path, "f7"), "utf8"), "207");
});

for (const [driver, prefix] of [
  ["overlay", "trusted"],
  ["overlay-user", "user"],
] as const) {
  test(`${driver}: the upper directory holds just what changed, in overlayfs's own words`, async (t) => {
    const under = await temporarySnapshotter(t, driver);
    if (under === undefined) return;
    const { snapshotter: s } = under;
    assert.equal(s.userXattr, prefix === "user");
    {
      await using tree = await mountSnapshot(await s.prepare("k", undefined));
      mkdirSync(join(tree.path, "d"));
      for (const name of ["gone", "kept", "d/x"]) writeFileSync(join(tree.path, name), name);
    }
    await s.commit("base", "k");
    {
      await using tree = await mountSnapshot(await s.prepare("k", "base"));
      rmSync(join(tree.path, "gone"));
      rmSync(join(tree.path, "d"), { recursive: true });
      mkdirSync(join(tree.path, "d"));
    }
    await s.commit("child", "k");
    const upper = String(s.upperDir("child"));
    assert.deepEqual(readdirSync(upper).sort(), ["d", "gone"]);
    assert.ok(lstatSync(join(upper, "gone")).isCharacterDevice());
    assert.deepEqual(lgetxattr(join(upper, "d"), `${prefix}.overlay.opaque`), Buffer.from("y"));
    await s.flush();
    assert.deepEqual(readdirSync(dirname(upper)), ["fs"]);
    assert.equal(s.upperDir("missing"), undefined);
  });
}

test("a layer that is moved shows its changes on top of another tree, and shares its files", async (t) => {
  const under = await temporarySnapshotter(t, "overlay");
  if (under === undefined) return;
  const { snapshotter: s } = under;
  const make = async (name: string, parent: string | undefined, change: (path: string) => void): Promise<void> => {
    {
      await using tree = await mountSnapshot(await s.prepare("k", parent));
      change(tree.path);
    }
    await s.commit(name, "k");
  };
  const source = (text: string) => (path: string) => {
    for (const name of ["source", "gone"]) writeFileSync(join(path, name), text);
  };
  await make("base", undefined, (path) => mkdirSync(join(path, "d")));
  await make("one", "base", source("one"));
  await make("two", "base", source("two"));
  await make("step", "one", (path) => {
    writeFileSync(join(path, "d/made"), "made");
    rmSync(join(path, "gone"));
  });
  s.move("moved", "step", "two");
  s.move("again", "moved", "one");
  s.move("alone", "step", undefined);
  const shown = async (name: string): Promise<string[]> => {
    await using tree = await mountSnapshot(await s.mounts(name));
    return [...readdirSync(tree.path), readFileSync(join(tree.path, "source"), "utf8")].sort();
  };
  assert.deepEqual(await shown("moved"), ["d", "source", "two"]);
  assert.deepEqual(await shown("again"), ["d", "one", "source"]);
  assert.equal(s.upperDir("again"), s.upperDir("step"));
  assert.deepEqual(await s.usage("moved"), { bytes: 0, inodes: 0 });
  await make("above", "moved", (path) => writeFileSync(join(path, "above"), ""));
  assert.deepEqual(await shown("above"), ["above", "d", "source", "two"]);
  await assert.rejects(s.remove("step"), (error) => isVarveError(error, "busy"));
  await s.merge("merge", ["base", "two"]);
  assert.throws(
    () => s.move("x", "merge", "base"),
    (error) => isVarveError(error, "unsupported"),
  );
});

test("a new version of a layer has a directory with what differs, and shows the whole layer", async (t) => {
  const under = await temporarySnapshotter(t, "overlay");
  if (under === undefined) return;
  const { snapshotter: s } = under;
  const write = async (key: string, name: string): Promise<void> => {
    await using tree = await mountSnapshot(await s.mounts(key));
    writeFileSync(join(tree.path, name), name);
  };
  await s.prepare("k", undefined);
  await s.commit("base", "k");
  for (const [version, parent] of ["base", "v0", "v1"].entries()) {
    await s.prepare("k", parent, { revises: version > 0 });
    await write("k", `file-${version}`);
    await s.commit(`v${version}`, "k");
    assert.equal(s.stat(`v${version}`)?.revision, version);
  }
  const directories = ["v2", "v1", "v0"].map((name) => String(s.upperDir(name)));
  assert.deepEqual(s.upperDirs("v2"), directories);
  assert.deepEqual(
    directories.map((path) => readdirSync(path)),
    [["file-2"], ["file-1"], ["file-0"]],
  );
  assert.deepEqual(s.upperDirs("base"), [s.upperDir("base")]);
  assert.equal(s.upperDirs("missing"), undefined);
  await assert.rejects(s.remove("v0"), (error) => isVarveError(error, "busy"));
  await s.prepare("k", "v2");
  await s.commit("on-top", "k");
  assert.equal(s.stat("on-top")?.revision, 0);
  assert.deepEqual(s.upperDirs("on-top"), [s.upperDir("on-top")]);
});

test("an active tree can be mounted again after it was unmounted, not while it is mounted", async (t) => {
  const under = await temporarySnapshotter(t, "overlay");
  if (under === undefined) return;
  const { snapshotter: s } = under;
  await s.prepare("k", undefined);
  await s.commit("base", "k");
  for (const durable of [false, true]) {
    const key = `again-${durable}`;
    const spec = await s.prepare(key, "base", { durable });
    assert.equal(spec.kind === "overlay" && spec.volatile === true, !durable);
    for (const name of ["a", "b"]) {
      await using tree = await mountSnapshot(await s.mounts(key));
      writeFileSync(join(tree.path, name), "");
      await assert.rejects(mountSnapshot(spec), (error) => isVarveError(error, "busy"));
      await assert.rejects(s.commit("x", key), (error) => isVarveError(error, "busy"));
      await assert.rejects(s.remove(key), (error) => isVarveError(error, "busy"));
    }
    await s.commit(`done-${durable}`, key);
    assert.deepEqual(readdirSync(String(s.upperDir(`done-${durable}`))).sort(), ["a", "b"]);
  }
});

const CHILD = `
const { unshareMounts } = await import(process.argv[1] + "/linux/index.ts");
const [target, spec] = [process.argv[2], JSON.parse(process.argv[3])];
const { mountSnapshot } = await import(process.argv[1] + "/snapshot/index.ts");
const { writeFileSync } = await import("node:fs");
const tree = await mountSnapshot(spec, target);
writeFileSync(tree.path + "/written", "before the kill");
if (process.argv[4] === "exit") process.exit(0);
process.kill(process.pid, "SIGKILL");
`;

test("a process that ends takes its mounts along; one that is killed leaves a tree nobody takes for whole", async (t) => {
  const under = await temporarySnapshotter(t, "overlay");
  if (under === undefined) return;
  const { snapshotter: s } = under;
  await s.prepare("k", undefined);
  await s.commit("base", "k");
  for (const end of ["exit", "kill"]) {
    const spec = await s.prepare(`key-${end}`, "base");
    const target = String(spec.kind === "overlay" && spec.work);
    const mountPoint = `${target}-mount`;
    mkdirSync(mountPoint);
    const args = [
      "--input-type=module",
      "-e",
      CHILD,
      join(import.meta.dirname, ".."),
      mountPoint,
      JSON.stringify(spec),
      end,
    ];
    // "unshare" gives the child a mount namespace of its own, as the command line does for itself.
    await promisify(execFile)("unshare", ["-m", process.execPath, ...args]).catch(() => undefined);
    assert.equal(statSync(mountPoint).dev, statSync(dirname(mountPoint)).dev, "a mount was left");
    assert.ok(existsSync(join(String(s.upperDir(`key-${end}`)), "written")));
    await assert.rejects(s.commit("x", `key-${end}`), (error) => isVarveError(error, "busy"));
    await s.remove(`key-${end}`);
  }
});

test("overlays are tried by what they keep, and their drivers do not share a root", async (t) => {
  const under = await temporarySnapshotter(t, "overlay-user");
  if (under === undefined) return;
  const directory = join(under.root, "trial");
  mkdirSync(directory);
  assert.equal(overlayWorks(directory, "overlay-user"), true);
  assert.equal(overlayWorks(directory, "overlay"), true);
  assert.deepEqual(readdirSync(directory), []);
  await layerOn(under, "one", undefined);
  assert.equal(under.reopen().userXattr, true);
});

async function layerOn({ snapshotter }: SnapshotterUnderTest, name: string, parent: string | undefined): Promise<void> {
  await snapshotter.prepare("key", parent);
  await snapshotter.commit(name, "key");
}

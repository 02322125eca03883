import assert from "node:assert/strict";
import {
  chmod,
  chown,
  lstat,
  link,
  mkdir,
  readFile,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isVarveError, type ErrorCode } from "../../src/core/index.ts";
import { lgetxattr, lsetxattr, lutimes, mknod, ownIdMaps } from "../../src/linux/index.ts";
import { type MountSpec, type Snapshotter, liveMounts, mountSnapshot } from "../../src/snapshot/index.ts";

export interface SnapshotterUnderTest {
  readonly snapshotter: Snapshotter;
  /** The directory that holds everything of it. */
  readonly root: string;
  /** A second snapshotter on the same root, as another process would open it. */
  readonly reopen: () => Snapshotter;
  /** The directories of snapshots that exist, whether or not their rows do. */
  readonly directories: () => Promise<string[]>;
  /** Forgets the rows of snapshots, as the collector does before it sweeps. */
  readonly forget: (...names: string[]) => void;
}

/** Opens one on an empty root and cleans up after the test; undefined, having said why, if this machine cannot. */
export type OpenSnapshotter = (t: TestContext) => Promise<SnapshotterUnderTest | undefined>;

/** Nobody can make devices in a user namespace. */
const makesDevices = ownIdMaps() === undefined;

async function rejects(work: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(work, (error) => isVarveError(error, code) || assert.fail(`${code} expected: ${String(error)}`));
}

async function inside<T>(spec: MountSpec, use: (path: string) => Promise<T>): Promise<T> {
  await using tree = await mountSnapshot(spec);
  return await use(tree.path);
}

async function layer(
  s: Snapshotter,
  name: string,
  parent: string | undefined,
  change: (path: string) => Promise<unknown>,
): Promise<void> {
  await inside(await s.prepare(`key-${name}`, parent), change);
  await s.commit(name, `key-${name}`);
}

/** "path" for a directory, "path=content" for a file, "path->target" for a link. */
async function listing(s: Snapshotter, name: string): Promise<string[]> {
  return await inside(await s.mounts(name), (root) => list(root, ""));
}

async function list(root: string, below: string): Promise<string[]> {
  const lines: string[] = [];
  for (const entry of (await readdir(join(root, below), { withFileTypes: true })).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    const shown = join(below, entry.name);
    if (entry.isSymbolicLink()) lines.push(`${shown}->${await readlink(join(root, shown))}`);
    else if (entry.isDirectory()) lines.push(shown, ...(await list(root, shown)));
    else lines.push(`${shown}=${await readFile(join(root, shown), "utf8")}`);
  }
  return lines;
}

const write = (root: string, name: string, text: string): Promise<void> => writeFile(join(root, name), text);

/** Mounts of what is in a directory; the machine may have others, which come and go. */
function mountsOf(root: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(root));
}

/** What every `Snapshotter` does. */
export function testSnapshotter(driver: string, open: OpenSnapshotter): void {
  const check = (what: string, run: (under: SnapshotterUnderTest, t: TestContext) => Promise<void>): void => {
    test(`${driver}: ${what}`, async (t) => {
      const under = await open(t);
      if (under === undefined) return;
      await run(under, t);
      assert.deepEqual(mountsOf(under.root), []);
      assert.equal(liveMounts(), 0);
    });
  };

  check("a tree is prepared, changed, committed and seen", async ({ snapshotter: s }) => {
    await layer(s, "base", undefined, async (root) => {
      await write(root, "a", "1");
      await mkdir(join(root, "d"));
      await symlink("a", join(root, "l"));
    });
    assert.deepEqual(await listing(s, "base"), ["a=1", "d", "l->a"]);
    assert.equal(s.stat("key-base"), undefined);
    const info = s.stat("base");
    assert.deepEqual([info?.kind, info?.parents], ["committed", []]);
  });

  check("a child changes, removes and replaces without touching its parent", async ({ snapshotter: s }) => {
    await layer(s, "base", undefined, async (root) => {
      await mkdir(join(root, "d"));
      for (const name of ["keep", "change", "gone", "d/x", "d/y"]) await write(root, name, name);
    });
    await layer(s, "child", "base", async (root) => {
      await write(root, "change", "changed");
      await rm(join(root, "gone"));
      await rm(join(root, "d"), { recursive: true });
      await mkdir(join(root, "d"));
      await write(root, "d/z", "z");
    });
    assert.deepEqual(await listing(s, "child"), ["change=changed", "d", "d/z=z", "keep=keep"]);
    assert.deepEqual(await listing(s, "base"), ["change=change", "d", "d/x=d/x", "d/y=d/y", "gone=gone", "keep=keep"]);
    assert.deepEqual(s.stat("child")?.parents, ["base"]);
  });

  check(
    "owners, permissions, times, attributes, devices and links survive into a child",
    async ({ snapshotter: s }) => {
      const mtime = 1_234_567_890_123_456_789n;
      const odd = Buffer.from([0x6e, 0xff, 0xfe]);
      await layer(s, "base", undefined, async (root) => {
        await write(root, "f", "x");
        await link(join(root, "f"), join(root, "hard"));
        lsetxattr(join(root, "f"), "user.note", Buffer.from([0, 255]));
        await chown(join(root, "f"), 12, 34);
        await chmod(join(root, "f"), 0o4751);
        lutimes(join(root, "f"), { atime: mtime, mtime });
        if (makesDevices) mknod(join(root, "null"), 0o20666, 1, 3);
        mknod(join(root, "pipe"), 0o10600, 0, 0);
        await writeFile(Buffer.concat([Buffer.from(`${root}/`), odd]), "odd");
        await chmod(root, 0o711);
      });
      await layer(s, "child", "base", (root) => write(root, "other", ""));
      await inside(await s.mounts("child"), async (root) => {
        const stat = await lstat(join(root, "f"), { bigint: true });
        assert.deepEqual([stat.uid, stat.gid, stat.mode & 0o7777n, stat.mtimeNs], [12n, 34n, 0o4751n, mtime]);
        assert.equal((await lstat(join(root, "hard"), { bigint: true })).ino, stat.ino);
        assert.deepEqual(lgetxattr(join(root, "f"), "user.note"), Buffer.from([0, 255]));
        if (makesDevices) assert.equal((await lstat(join(root, "null"))).rdev, 0x103);
        assert.ok((await lstat(join(root, "pipe"))).isFIFO());
        assert.equal(await readFile(Buffer.concat([Buffer.from(`${root}/`), odd]), "utf8"), "odd");
        assert.equal((await lstat(root)).mode & 0o7777, 0o711);
      });
      await s.remove("child");
    },
  );

  check("a view and a committed tree cannot be written", async ({ snapshotter: s }, t) => {
    if (process.geteuid?.() !== 0) return t.skip("needs root to mount read-only");
    await layer(s, "base", undefined, (root) => write(root, "a", "1"));
    await layer(s, "child", "base", (root) => write(root, "b", "2"));
    for (const spec of [
      await s.view("v1", "base"),
      await s.view("v2", "child"),
      await s.view("v0", undefined),
      await s.mounts("base"),
    ]) {
      await inside(spec, (root) => assert.rejects(write(root, "new", ""), { code: "EROFS" }));
    }
    await rejects(s.commit("x", "v1"), "invalid-argument");
    await rejects(s.remove("base"), "busy");
    for (const key of ["v0", "v1", "v2"]) await s.remove(key);
    assert.deepEqual(
      [...s.walk()].map((info) => info.name),
      ["base", "child"],
    );
  });

  check("names and keys that exist, do not exist or are not committed", async ({ snapshotter: s }) => {
    await layer(s, "base", undefined, (root) => write(root, "a", "1"));
    await s.prepare("key", "base");
    await rejects(s.prepare("key", undefined), "already-exists");
    await rejects(s.view("base", undefined), "already-exists");
    await rejects(s.prepare("other", "missing"), "not-found");
    await rejects(s.prepare("other", "key"), "invalid-argument");
    await rejects(s.commit("base", "key"), "already-exists");
    await rejects(s.commit("new", "missing"), "not-found");
    await rejects(s.commit("new", "base"), "invalid-argument");
    await rejects(s.remove("missing"), "not-found");
    await rejects(s.remove("base"), "busy");
    await rejects(s.mounts("missing"), "not-found");
    await rejects(s.usage("missing"), "not-found");
    assert.equal(s.stat("missing"), undefined);
    await s.remove("key");
    await s.remove("base");
    assert.deepEqual([...s.walk()], []);
  });

  check("nothing is left of what was removed or failed", async ({ snapshotter: s, directories }) => {
    const aborted = AbortSignal.abort();
    await rejects(s.prepare("a", undefined, { signal: aborted }), "cancelled");
    await layer(s, "base", undefined, async (root) => {
      await mkdir(join(root, "d"));
      await write(root, "d/f", "");
    });
    await s.prepare("key", "base");
    await s.remove("key");
    await s.remove("base");
    assert.deepEqual(await directories(), []);
  });

  check("usage is a snapshot's own", async ({ snapshotter: s }) => {
    await layer(s, "base", undefined, async (root) => {
      await writeFile(join(root, "big"), Buffer.alloc(100_000, 1));
      await link(join(root, "big"), join(root, "again"));
    });
    const usage = await s.usage("base");
    assert.equal(usage.inodes, 2);
    assert.ok(usage.bytes >= 100_000 && usage.bytes < 150_000, String(usage.bytes));
    assert.deepEqual(await s.usage("base"), usage);
  });

  check("a merge stacks its parents, and what they removed", async ({ snapshotter: s }) => {
    await layer(s, "a", undefined, async (root) => {
      await mkdir(join(root, "d"));
      await mkdir(join(root, "e"));
      for (const name of ["both", "onlyA", "removed", "d/a", "e/a"]) await write(root, name, `a:${name}`);
    });
    await layer(s, "b", undefined, async (root) => {
      await mkdir(join(root, "d"));
      await write(root, "both", "b");
      await write(root, "d/b", "b");
      await write(root, "removed", "b");
      await symlink("d", join(root, "e"));
    });
    await layer(s, "b2", "b", async (root) => {
      await rm(join(root, "removed"));
      await write(root, "b2", "b2");
    });
    await s.merge("m", ["a", "b2"]);
    const expected = ["b2=b2", "both=b", "d", "d/a=a:d/a", "d/b=b", "e->d", "onlyA=a:onlyA"];
    assert.deepEqual(await listing(s, "m"), expected);
    assert.deepEqual(s.stat("m"), { ...s.stat("m"), kind: "committed", parents: ["a", "b2"] });
    await layer(s, "child", "m", (root) => rename(join(root, "b2"), join(root, "moved")));
    assert.deepEqual(await listing(s, "child"), [...expected.slice(1), "moved=b2"].sort());
    await s.merge("mm", ["m", "child", "a"]);
    assert.ok((await listing(s, "mm")).includes("both=a:both"));
    await rejects(s.merge("m", ["a"]), "already-exists");
    await rejects(s.merge("n", ["missing"]), "not-found");
    await rejects(s.remove("b2"), "busy");
    await s.merge("none", []);
    assert.deepEqual(await listing(s, "none"), []);
  });

  check("two processes see one set of snapshots", async ({ snapshotter: s, reopen }) => {
    const other = reopen();
    await layer(s, "base", undefined, (root) => write(root, "a", "1"));
    await Promise.all([
      inside(await s.prepare("k1", "base"), (r) => write(r, "b", "1")),
      inside(await other.prepare("k2", "base"), (r) => write(r, "b", "2")),
    ]);
    const results = await Promise.allSettled([s.commit("same", "k1"), other.commit("same", "k2")]);
    assert.deepEqual(results.map((result) => result.status).sort(), ["fulfilled", "rejected"]);
    assert.equal(other.stat("same")?.kind, "committed");
    await rejects(other.remove("base"), "busy");
  });

  check(
    "what a collector or a crash left is swept, and nothing else",
    async ({ snapshotter: s, directories, forget }) => {
      await layer(s, "keep", undefined, (root) => write(root, "a", "1"));
      await layer(s, "drop", "keep", (root) => write(root, "b", "1"));
      await s.prepare("crashed", "keep");
      assert.equal((await directories()).length, 3);
      forget("drop", "crashed");
      await s.sweep(["drop", "crashed"]);
      assert.equal((await directories()).length, 1);
      assert.deepEqual(await listing(s, "keep"), ["a=1"]);
    },
  );

  check("a tree that is still in use is given up all the same", async ({ snapshotter: s }) => {
    await layer(s, "base", undefined, (root) => write(root, "a", "1"));
    await layer(s, "child", "base", (root) => write(root, "b", "1"));
    const { open: openFile } = await import("node:fs/promises");
    const tree = await mountSnapshot(await s.mounts("child"));
    await using _file = await openFile(join(tree.path, "a"));
    await tree[Symbol.asyncDispose]();
    await tree[Symbol.asyncDispose]();
    assert.equal(liveMounts(), 0);
  });
}

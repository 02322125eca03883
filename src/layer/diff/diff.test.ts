import assert from "node:assert/strict";
import {
  appendFileSync,
  chmodSync,
  constants,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../../core/index.ts";
import { bytesOf, collect, digestBytes, temporaryDirectory } from "../../io/index.ts";
import { llistxattr, lsetxattr, mknod } from "../../linux/index.ts";
import { needsRoot, OverlayStack } from "../../../testing/overlays.ts";
import { CAPABILITY, perform, type TreeOp, runs, treeOps } from "../../../testing/trees.ts";
import { diffOverlay, diffTrees, packTree, readTar } from "../index.ts";

const what = { what: "the layer" };
const EMPTY = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/** What a layer says, a line for each entry; both differs must say it with the same bytes. */
async function diff(stack: OverlayStack, lower: string, upper: string): Promise<string[]> {
  const { userXattr } = stack;
  const fromOverlay = await collect(diffOverlay({ lower, upper, userXattr }), 1e8, what);
  const fromTrees = await collect(diffTrees({ lower, upper: stack.view }), 1e8, what);
  const [a, b] = [await lines(fromOverlay), await lines(fromTrees)];
  assert.deepEqual(a, b);
  assert.ok(fromOverlay.equals(fromTrees));
  return a;
}

async function lines(archive: Uint8Array): Promise<string[]> {
  const found = [];
  for await (const { path, type, mode, uid, gid, mtime, size, linkPath, devMajor, devMinor, xattrs } of readTar(
    bytesOf(archive),
  )) {
    found.push([path, type, mode, uid, gid, mtime, size, linkPath, devMajor, devMinor, ...xattrs].join(" "));
  }
  return found;
}

async function names(archive: AsyncIterable<Uint8Array>): Promise<string[]> {
  const found = [];
  for await (const { path, type, linkPath } of readTar(archive))
    found.push(`${path}${type === "directory" ? "/" : ""}${type === "hardlink" ? `=${linkPath}` : ""}`);
  return found;
}

/** The names in the layer that a change makes to a tree. */
async function layerOf(before: (root: string) => void, change: (root: string) => void): Promise<string[]> {
  await using stack = await OverlayStack.open();
  before(stack.view);
  const { lower, upper, view } = stack.push();
  change(view);
  await diff(stack, lower, upper);
  return await names(diffOverlay({ lower, upper }));
}

const nothing = (): void => undefined;
const file = (root: string, path: string, content = path): void => writeFileSync(`${root}/${path}`, content);
const directory = (root: string, path: string): void => {
  mkdirSync(`${root}/${path}`, { recursive: true });
};

interface Case {
  readonly name: string;
  readonly before?: (root: string) => void;
  readonly change: (root: string) => void;
  readonly layer: readonly string[];
}

const tree = (root: string): void => {
  directory(root, "d/sub");
  for (const path of ["d/e", "d/f", "d/sub/g", "top"]) file(root, path);
};

const CASES: readonly Case[] = [
  { name: "nothing", before: tree, change: nothing, layer: [] },
  { name: "a file removed", before: tree, change: (r) => rmSync(`${r}/d/e`), layer: ["d/", "d/.wh.e"] },
  { name: "a directory removed", before: tree, change: (r) => rmSync(`${r}/d`, { recursive: true }), layer: [".wh.d"] },
  {
    name: "a directory removed and made again",
    before: tree,
    change: (r) => {
      rmSync(`${r}/d`, { recursive: true });
      directory(r, "d/sub");
      file(r, "d/n");
    },
    layer: ["d/", "d/.wh.e", "d/.wh.f", "d/n", "d/sub/", "d/sub/.wh.g"],
  },
  {
    name: "a file deep down changed",
    before: tree,
    change: (r) => appendFileSync(`${r}/d/sub/g`, "more"),
    layer: ["d/", "d/sub/", "d/sub/g"],
  },
  {
    name: "a child added: the directory's new time alone is no change",
    before: tree,
    change: (r) => file(r, "d/sub/h"),
    layer: ["d/", "d/sub/", "d/sub/h"],
  },
  { name: "a mode changed", before: tree, change: (r) => chmodSync(`${r}/d`, 0o700), layer: ["d/"] },
  { name: "a time changed", before: tree, change: (r) => utimesSync(`${r}/top`, 5, 5), layer: ["top"] },
  {
    name: "copied up, with the same whole second and content",
    before: (r) => {
      file(r, "same", "content");
      file(r, "other", "content");
      for (const path of ["same", "other"]) utimesSync(`${r}/${path}`, 100, 100);
    },
    change: (r) => {
      writeFileSync(`${r}/same`, "content");
      writeFileSync(`${r}/other`, "CONTENT");
      for (const path of ["same", "other"]) utimesSync(`${r}/${path}`, 100, 100);
    },
    layer: ["other"],
  },
  {
    name: "a directory replaced by a file, and a file by a directory",
    before: tree,
    change: (r) => {
      rmSync(`${r}/d`, { recursive: true });
      rmSync(`${r}/top`);
      file(r, "d");
      directory(r, "top/in");
    },
    layer: ["d", "top/", "top/in/"],
  },
  {
    name: "a link to a directory replaced by a directory: what the link led to is not deleted",
    before: (r) => {
      tree(r);
      symlinkSync("d", `${r}/link`);
    },
    change: (r) => {
      rmSync(`${r}/link`);
      directory(r, "link");
      file(r, "link/e");
    },
    layer: ["link/", "link/e"],
  },
  {
    name: "new hard links",
    change: (r) => {
      directory(r, "a");
      file(r, "b");
      linkSync(`${r}/b`, `${r}/a/b`);
      linkSync(`${r}/b`, `${r}/c`);
      symlinkSync("x", `${r}/s`);
      linkSync(`${r}/s`, `${r}/t`);
    },
    layer: ["a/", "a/b", "b=a/b", "c=a/b", "s", "t=s"],
  },
  {
    name: "a new name of an old file brings the old name along",
    before: tree,
    change: (r) => linkSync(`${r}/d/e`, `${r}/z`),
    layer: ["z", "d/", "d/e=z"],
  },
  {
    name: "a name with special meaning, and one with a new line",
    change: (r) => {
      file(r, ".wh.x");
      file(r, "new\nline");
    },
    layer: [".wh.x", "new\nline"],
  },
  {
    name: "a user's attribute",
    before: tree,
    change: (r) => lsetxattr(`${r}/d`, "user.x", Buffer.from("y")),
    layer: [],
  },
  {
    name: "an attribute that looks like a mark of overlayfs's but is the user's",
    before: tree,
    change: (r) => lsetxattr(`${r}/d`, "user.overlay.opaque", Buffer.from("y")),
    layer: [],
  },
  {
    name: "a capability",
    before: tree,
    change: (r) => lsetxattr(`${r}/top`, "security.capability", CAPABILITY),
    layer: ["top"],
  },
  {
    name: "byte order, a directory's content right after it",
    change: (r) => {
      for (const path of ["a/z", "B", "a.b", "a-b"]) directory(r, path);
    },
    layer: ["B/", "a/", "a/z/", "a-b/", "a.b/"],
  },
];

for (const { name, before = nothing, change, layer } of CASES) {
  test(`a layer of: ${name}`, async (t) => {
    if (needsRoot(t)) assert.deepEqual(await layerOf(before, change), layer);
  });
}

test("an unchanged tree is the empty layer", async (t) => {
  if (!needsRoot(t)) return;
  await using stack = await OverlayStack.open();
  tree(stack.view);
  const { lower, upper } = stack.push();
  assert.equal((await digestBytes(diffOverlay({ lower, upper }))).digest, EMPTY);
});

test("entries carry mode, owner, whole seconds, capability; deletions nothing", async (t) => {
  if (!needsRoot(t)) return;
  await using stack = await OverlayStack.open();
  file(stack.view, "gone");
  const { lower, upper, view } = stack.push();
  perform(view, { op: "write", path: "f", content: "abc" });
  perform(view, { op: "chown", path: "f", id: 7 });
  perform(view, { op: "capability", path: "f" });
  perform(view, { op: "times", path: "f", seconds: 99.75 });
  perform(view, { op: "xattr", path: "f" });
  mknod(`${view}/dev`, 0o060640, 8, 17);
  utimesSync(`${view}/dev`, 1, 1);
  rmSync(`${view}/gone`);
  assert.deepEqual(await diff(stack, lower, upper), [
    "dev block 416 0 0 1000000000 0  8 17",
    `f file 420 7 7 99000000000 3  0 0 security.capability,${CAPABILITY.toString()}`,
    ".wh.gone file 0 0 0 0 0  0 0",
  ]);
});

test("sockets are left out", async (t) => {
  if (!needsRoot(t)) return;
  await using stack = await OverlayStack.open();
  const { lower, upper, view } = stack.push();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${view}/socket`, resolve));
  file(view, "a");
  assert.deepEqual(
    (await diff(stack, lower, upper)).map((line) => line.split(" ")[0]),
    ["a"],
  );
  await new Promise((resolve) => server.close(resolve));
});

test("a redirected directory cannot be diffed", async (t) => {
  if (!needsRoot(t)) return;
  await using temporary = await temporaryDirectory();
  directory(temporary.path, "d");
  lsetxattr(`${temporary.path}/d`, "trusted.overlay.redirect", Buffer.from("/elsewhere"));
  await assert.rejects(names(diffOverlay({ upper: temporary.path })), (error) => isVarveError(error, "unsupported"));
});

test("a process cannot forge the marks of an overlay that has user attributes", async (t) => {
  if (!needsRoot(t)) return;
  await using stack = await OverlayStack.open({ userXattr: true });
  tree(stack.view);
  const { lower, upper, view } = stack.push();
  for (const name of ["opaque", "redirect", "metacopy"])
    lsetxattr(`${view}/d`, `user.overlay.${name}`, Buffer.from("y"));
  file(view, "d/new");
  const escaped = llistxattr(`${upper}/d`).find((name) => name.endsWith(".opaque"));
  // Linux before 6.7 refuses to set them.
  assert.equal(escaped, "user.overlay.overlay.opaque");
  assert.deepEqual(
    (await diff(stack, lower, upper)).map((line) => line.split(" ")[0]),
    ["d", "d/new"],
  );
});

test("an upper directory of a mount with user attributes is read by these", async () => {
  await using temporary = await temporaryDirectory();
  directory(temporary.path, "lower/d");
  file(temporary.path, "lower/d/old");
  directory(temporary.path, "upper/d");
  file(temporary.path, "upper/d/new");
  lsetxattr(`${temporary.path}/upper/d`, "user.overlay.opaque", Buffer.from("y"));
  const options = { lower: `${temporary.path}/lower`, upper: `${temporary.path}/upper` };
  assert.deepEqual(await names(diffOverlay(options)), ["d/", "d/new"]);
  assert.deepEqual(await names(diffOverlay({ ...options, userXattr: true })), ["d/", "d/new", "d/.wh.old"]);
});

test("both differs agree on a second name of a file that cannot carry the mark of its origin", async (t) => {
  if (!needsRoot(t)) return;
  await using stack = await OverlayStack.open({ userXattr: true });
  mknod(`${stack.view}/device`, constants.S_IFCHR | 0o600, 0xfff, 0);
  symlinkSync("nowhere", `${stack.view}/link`);
  const { lower, upper, view } = stack.push();
  linkSync(`${view}/device`, `${view}/a`);
  linkSync(`${view}/link`, `${view}/b`);
  stack.refresh();
  await diff(stack, lower, upper);
  assert.deepEqual(await names(diffOverlay({ lower, upper, userXattr: true })), ["a", "b", "device=a", "link=b"]);
});

test("both differs agree on any change, two layers up", async (t) => {
  if (!needsRoot(t)) return;
  const ops = treeOps(30);
  const property = fc.asyncProperty(fc.boolean(), ops, ops, ops, async (userXattr, first, second, third: TreeOp[]) => {
    await using stack = await OverlayStack.open({ userXattr });
    for (const op of first) perform(stack.view, op);
    for (const round of [second, third]) {
      const { lower, upper, view } = stack.push();
      for (const op of round) perform(view, op);
      stack.refresh();
      await diff(stack, lower, upper);
    }
  });
  await fc.assert(property, { numRuns: runs(80) });
});

test("upper directories of versions of a layer show together what one shows", async (t) => {
  if (!needsRoot(t)) return;
  const rounds = fc.tuple(treeOps(20), treeOps(20), treeOps(10));
  const property = fc.asyncProperty(fc.boolean(), rounds, async (userXattr, [first, second, third]) => {
    await using stack = await OverlayStack.open({ userXattr });
    for (const op of first) perform(stack.view, op);
    const earlier = stack.push();
    for (const op of second) perform(earlier.view, op);
    const later = stack.push();
    for (const op of third) perform(later.view, op);
    stack.refresh();
    const { lower } = earlier;
    const overlays = { lower, upper: later.upper, revises: [earlier.upper], userXattr };
    const fromOverlays = await collect(diffOverlay(overlays), 1e8, what);
    const fromTrees = await collect(diffTrees({ lower, upper: later.view }), 1e8, what);
    assert.deepEqual(await lines(fromOverlays), await lines(fromTrees));
  });
  await fc.assert(property, { numRuns: runs(80) });
});

test("a large file, and one that changes while it is read", async () => {
  await using temporary = await temporaryDirectory();
  const content = Buffer.alloc(5_000_000, "0123456789abc");
  writeFileSync(`${temporary.path}/large`, content);
  for await (const entry of readTar(packTree(temporary.path))) {
    assert.ok((await collect(entry.body, 1e8, what)).equals(content));
  }
  for (const change of [
    () => truncateSync(`${temporary.path}/large`, 10),
    () => appendFileSync(`${temporary.path}/large`, "more"),
  ]) {
    writeFileSync(`${temporary.path}/large`, content);
    const source = packTree(temporary.path)[Symbol.asyncIterator]();
    await source.next();
    change();
    await assert.rejects(
      async () => {
        while ((await source.next()).done !== true);
      },
      (error) => isVarveError(error, "busy"),
    );
  }
});

test("a tree of many files: the event loop turns, and the signal counts", async () => {
  await using temporary = await temporaryDirectory();
  for (let at = 0; at < 3000; at += 1) file(temporary.path, `f${at}`);
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 1);
  await digestBytes(packTree(temporary.path));
  clearInterval(timer);
  assert.ok(turns > 0);
  await assert.rejects(digestBytes(packTree(temporary.path, { signal: AbortSignal.timeout(1) })), (error) =>
    isVarveError(error, "cancelled"),
  );
});

test("a whole tree, with attributes and a time of its own", async () => {
  await using temporary = await temporaryDirectory();
  tree(temporary.path);
  lsetxattr(`${temporary.path}/top`, "user.x", Buffer.from("y"));
  renameSync(`${temporary.path}/d/f`, `${temporary.path}/d/\u00fc`);
  const entries = [];
  for await (const { path, mtime, xattrs } of readTar(
    packTree(temporary.path, { xattrs: "user", mtime: () => 5_000_000_000n }),
  )) {
    entries.push([path, mtime, [...xattrs.keys()].join()]);
  }
  assert.deepEqual(
    entries,
    ["d", "d/e", "d/sub", "d/sub/g", "d/\xc3\xbc", "top"].map((path) => [
      path,
      5_000_000_000n,
      path === "top" ? "user.x" : "",
    ]),
  );
  const again = await digestBytes(packTree(temporary.path));
  assert.deepEqual(await digestBytes(packTree(temporary.path)), again);
  assert.equal(readFileSync(`${temporary.path}/top`, "utf8"), "top");
});

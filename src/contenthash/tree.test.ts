import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, linkSync, lutimesSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { digestOf } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { isRootUser, lsetxattr } from "../linux/index.ts";
import { PathFilter } from "../pattern/index.ts";
import { scanContext, selectorChecksum, snapshotTree, wholeTree, type ContentSelector, type Tree } from "./index.ts";
import { headerBytes, isKeptXattr } from "./header.ts";

const at = (path: string, more: Partial<ContentSelector> = {}): ContentSelector => ({ ...wholeTree, path, ...more });
const sum = (tree: Tree, path: string, follow = true): Promise<string> =>
  selectorChecksum(tree, at(path, { followLinks: follow }));

test("times do not count; permissions, owners and user attributes do", async (t) => {
  await using dir = await temporaryDirectory();
  const file = join(dir.path, "f");
  writeFileSync(file, "x", { mode: 0o644 });
  const before = await sum(snapshotTree(dir.path), "/f");
  lutimesSync(file, 1, 1);
  assert.equal(await sum(snapshotTree(dir.path), "/f"), before);
  chmodSync(file, 0o755);
  const executable = await sum(snapshotTree(dir.path), "/f");
  assert.notEqual(executable, before);
  try {
    lsetxattr(file, "user.x", Buffer.from("1"));
  } catch {
    t.diagnostic("no user attributes on this filesystem");
    return;
  }
  assert.notEqual(await sum(snapshotTree(dir.path), "/f"), executable);
});

test("of the security attributes only capabilities count, and an overlay's notes do not", () => {
  const kept = ["user.a", "security.capability", "trusted.x"];
  const dropped = ["security.selinux", "system.posix_acl_access", "trusted.overlay.opaque", "user.overlay.opaque"];
  assert.deepEqual(kept.filter(isKeptXattr), kept);
  assert.deepEqual(dropped.filter(isKeptXattr), []);
});

test("a header is the text of tarsum 1", () => {
  const header = { kind: "file", mode: 0o4755, uid: 1, gid: 2, size: 3, linkname: "", major: 9, minor: 9 } as const;
  const text = "namemode2541uid1gid2size3typeflag0linknameunamegnamedevmajor0devminor0";
  assert.equal(headerBytes({ ...header, xattrs: [] }).toString(), text);
  assert.equal(headerBytes({ ...header, xattrs: [["user.a", Buffer.from("b")]] }).toString(), `${text}user.ab`);
  const device = headerBytes({ ...header, kind: "character-device", xattrs: [] }).toString();
  assert.match(device, /size0typeflag3.*devmajor9devminor9$/);
});

test("owners count in a snapshot, not in a context", async (t) => {
  if (!isRootUser()) return t.skip("needs root to give files away");
  await using dir = await temporaryDirectory();
  const file = join(dir.path, "f");
  writeFileSync(file, "x");
  const [snapshot, context] = [await sum(snapshotTree(dir.path), "/f"), await sum(await scanContext(dir.path), "/f")];
  assert.equal(snapshot, context);
  spawnSync("chown", ["12:34", file]);
  assert.notEqual(await sum(snapshotTree(dir.path), "/f"), snapshot);
  assert.equal(await sum(await scanContext(dir.path), "/f"), context);
});

test("hard links count as the files they are", async () => {
  await using dir = await temporaryDirectory();
  writeFileSync(join(dir.path, "a"), "same");
  linkSync(join(dir.path, "a"), join(dir.path, "b"));
  const tree = await scanContext(dir.path);
  assert.equal(await sum(tree, "/a"), await sum(tree, "/b"));
});

test("a socket counts as an empty regular file", async () => {
  await using dir = await temporaryDirectory();
  const server = createServer().listen(join(dir.path, "socket"));
  await new Promise((resolve) => server.once("listening", resolve));
  chmodSync(join(dir.path, "socket"), 0o644);
  writeFileSync(join(dir.path, "empty"), "", { mode: 0o644 });
  const tree = await scanContext(dir.path);
  assert.equal(await sum(tree, "/socket"), await sum(tree, "/empty"));
  server.close();
});

test("a renamed directory has the same content", async () => {
  await using dir = await temporaryDirectory();
  for (const name of ["one", "other"]) {
    mkdirSync(join(dir.path, name));
    writeFileSync(join(dir.path, name, "f"), "x");
  }
  const tree = await scanContext(dir.path);
  assert.equal(await sum(tree, "/one"), await sum(tree, "/other"));
});

test("links are resolved inside the tree and never out of it", async () => {
  await using dir = await temporaryDirectory();
  mkdirSync(join(dir.path, "d/e"), { recursive: true });
  writeFileSync(join(dir.path, "d/f"), "f");
  symlinkSync("/d", join(dir.path, "absolute"));
  symlinkSync("../../../../d", join(dir.path, "d/e/up"));
  symlinkSync("d/e/up/f", join(dir.path, "chain"));
  symlinkSync("loop", join(dir.path, "loop"));
  symlinkSync("/etc/passwd", join(dir.path, "host"));
  const tree = await scanContext(dir.path);
  const file = await sum(tree, "/d/f");
  for (const path of ["/absolute/f", "/d/e/up/f", "/chain", "/d/missing/../f", "/d/e/../f"])
    assert.equal(await sum(tree, path), file, path);
  await assert.rejects(sum(tree, "/loop"), { code: "invalid-build", message: /too many symbolic links/ });
  await assert.rejects(sum(tree, "/host"), { code: "not-found" });
  assert.match(await sum(tree, "/loop", false), /^sha256:/);
});

test("names that are not UTF-8 keep their bytes", async () => {
  await using dir = await temporaryDirectory();
  const name = Buffer.concat([Buffer.from(`${dir.path}/a`), Buffer.of(0xfe, 0x80)]);
  writeFileSync(name, "x", { mode: 0o644 });
  writeFileSync(join(dir.path, "é"), "x", { mode: 0o644 });
  const tree = await scanContext(dir.path);
  assert.deepEqual([...tree.root.entries().keys()], ["a\xfe\x80", "Ã©"]);
  const file = await sum(tree, "/é");
  const own = Buffer.from(`\0${digestOf("")}\0a\xfe\x80${file}\0Ã©${file}`, "latin1");
  assert.equal(await sum(tree, "/"), digestOf(own));
});

test("names beginning with 0xff count twice below a directory, as they do in BuildKit", async () => {
  await using dir = await temporaryDirectory();
  mkdirSync(join(dir.path, "d"), { mode: 0o755 });
  writeFileSync(Buffer.concat([Buffer.from(`${dir.path}/d/`), Buffer.of(0xff)]), "x");
  const tree = await scanContext(dir.path);
  const below = await sum(tree, "/d");
  const file = tree.root.entries().get("d")?.entries().get("\xff")?.digest;
  assert.equal(await sum(tree, "/"), digestOf(Buffer.from(`\0${digestOf("")}\0d${below}\0d\0\xff${file}`, "latin1")));
});

test("a filter leaves out files, and keeps the directories above what it includes", async () => {
  await using dir = await temporaryDirectory();
  mkdirSync(join(dir.path, "out/in"), { recursive: true });
  mkdirSync(join(dir.path, "gone"));
  for (const file of ["keep", "drop.log", "out/x", "out/in/y", "gone/z"]) writeFileSync(join(dir.path, file), file);
  const filter = new PathFilter({ exclude: ["*.log", "gone", "out", "!out/in"] });
  const tree = await scanContext(dir.path, { filter });
  assert.deepEqual([...tree.root.entries().keys()], ["keep", "out"]);
  assert.deepEqual([...(tree.root.entries().get("out")?.entries().keys() ?? [])], ["in"]);
});

test("what is no directory is no context, and a link to one is", async () => {
  await using dir = await temporaryDirectory();
  writeFileSync(join(dir.path, "f"), "");
  mkdirSync(join(dir.path, "d"));
  writeFileSync(join(dir.path, "d/x"), "");
  symlinkSync("d", join(dir.path, "link"));
  await assert.rejects(scanContext(join(dir.path, "f")), { code: "invalid-argument" });
  await assert.rejects(scanContext(join(dir.path, "none")), { code: "not-found" });
  assert.deepEqual([...(await scanContext(join(dir.path, "link"))).root.entries().keys()], ["x"]);
});

test("a cancelled scan and a cancelled checksum stop", async () => {
  await using dir = await temporaryDirectory();
  writeFileSync(join(dir.path, "f"), "x");
  const signal = AbortSignal.abort();
  await assert.rejects(scanContext(dir.path, { signal }), { code: "cancelled" });
  const tree = await scanContext(dir.path);
  await assert.rejects(selectorChecksum(tree, wholeTree, { signal }), { code: "cancelled" });
});

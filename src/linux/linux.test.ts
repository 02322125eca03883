import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { temporaryDirectory } from "../io/index.ts";
import {
  OpenWatch,
  Root,
  bindMount,
  byteStringOf,
  copyData,
  copyDataSync,
  flock,
  hasCapability,
  isRootUser,
  kernelFeatures,
  lgetxattr,
  llistxattr,
  lremovexattr,
  lsetxattr,
  lutimes,
  makeDevice,
  mknod,
  mountOverlay,
  pathOf,
  pathOfByteString,
  showPath,
  splitDevice,
  statAt,
  syncfs,
  tryLock,
  unmount,
} from "./index.ts";
import { mountClassic } from "./overlay.ts";

async function directoryFor(t: TestContext): Promise<string> {
  const directory = await temporaryDirectory("varve-linux-");
  t.after(() => directory[Symbol.asyncDispose]());
  return directory.path;
}

test("attributes are read, listed, replaced and removed", async (t) => {
  const file = join(await directoryFor(t), "f");
  writeFileSync(file, "");
  assert.equal(lgetxattr(file, "user.a"), undefined);
  assert.deepEqual(llistxattr(file), []);
  lsetxattr(file, "user.a", Buffer.from([0, 1, 255]));
  lsetxattr(file, "user.empty", Buffer.alloc(0));
  assert.deepEqual(lgetxattr(file, "user.a"), Buffer.from([0, 1, 255]));
  assert.deepEqual(lgetxattr(file, "user.empty"), Buffer.alloc(0));
  assert.deepEqual(llistxattr(file).sort(), ["user.a", "user.empty"]);
  assert.equal(lremovexattr(file, "user.a"), true);
  assert.equal(lremovexattr(file, "user.a"), false);
  assert.throws(() => lgetxattr(`${file}-missing`, "user.a"), { code: "ENOENT", syscall: "lgetxattr" });
  assert.throws(() => lsetxattr(file, "user.big", Buffer.alloc(70_000)), { code: "E2BIG" });
});

test("times are set to the nanosecond, before 1970 too", async (t) => {
  const file = join(await directoryFor(t), "f");
  writeFileSync(file, "");
  for (const mtime of [0n, 1n, 1_700_000_000_123_456_789n, -1n, -5_000_000_001n]) {
    lutimes(file, { atime: "omit", mtime });
    assert.equal(lstatSync(file, { bigint: true }).mtimeNs, mtime);
  }
});

test("device numbers survive their encoding", () => {
  for (const [major, minor] of [
    [0, 0],
    [1, 3],
    [300, 70_000],
    [4095, 1_048_575],
  ] as const) {
    assert.deepEqual(splitDevice(makeDevice(major, minor)), { major, minor });
  }
});

test("devices and pipes are made", async (t) => {
  if (!hasCapability("mknod")) return t.skip("needs CAP_MKNOD");
  const directory = await directoryFor(t);
  mknod(join(directory, "whiteout"), 0o20000, 0, 0);
  assert.equal(lstatSync(join(directory, "whiteout")).rdev, 0);
  mknod(join(directory, "pipe"), 0o10600, 0, 0);
  assert.ok(lstatSync(join(directory, "pipe")).isFIFO());
  assert.throws(() => mknod(join(directory, "pipe"), 0o10600, 0, 0), { code: "EEXIST" });
});

test("data is copied whole, with its holes", async (t) => {
  const directory = await directoryFor(t);
  const from = openSync(join(directory, "from"), "w+");
  writeSync(from, "start", 0);
  writeSync(from, "end", 20_000_000);
  ftruncateSync(from, 40_000_000);
  for (const copy of [copyDataSync, copyData]) {
    const to = openSync(join(directory, "to"), "w+");
    const again = openSync(join(directory, "from"), "r");
    await copy(again, to);
    assert.ok(readFileSync(join(directory, "to")).equals(readFileSync(join(directory, "from"))));
    assert.ok(lstatSync(join(directory, "to")).blocks < 1000);
    for (const fd of [to, again]) closeSync(fd);
  }
  closeSync(from);
});

test("a file without a size, and one of several megabytes, are copied", async (t) => {
  const directory = await directoryFor(t);
  const content = Buffer.alloc(9_000_001, "varve");
  writeFileSync(join(directory, "big"), content);
  for (const [source, expected] of [
    ["/proc/version", readFileSync("/proc/version")],
    [join(directory, "big"), content],
  ] as const) {
    const [from, to] = [openSync(source, "r"), openSync(join(directory, "to"), "w")];
    await copyData(from, to);
    assert.ok(readFileSync(join(directory, "to")).equals(expected), source);
    for (const fd of [from, to]) closeSync(fd);
  }
});

test("a lock excludes others until it is given back", async (t) => {
  const path = join(await directoryFor(t), "lock");
  {
    using held = tryLock(path);
    assert.ok(held);
    assert.equal(tryLock(path), undefined);
    assert.equal(tryLock(path, "shared"), undefined);
    held[Symbol.dispose]();
    const other = openSync(path, "r");
    held[Symbol.dispose]();
    closeSync(other);
  }
  using shared = tryLock(path, "shared");
  using other = tryLock(path, "shared");
  assert.ok(shared && other);
  const fd = openSync(path, "r");
  assert.equal(flock(fd, "exclusive"), false);
  closeSync(fd);
});

test("500 lower directories are stacked, also where their paths are long", async (t) => {
  if (!hasCapability("sys_admin")) return t.skip("needs CAP_SYS_ADMIN");
  const directory = join(await directoryFor(t), "x".repeat(250));
  mkdirSync(directory);
  const lower = Array.from({ length: 500 }, (_, index) => join(directory, String(index)));
  for (const [index, path] of lower.entries()) {
    mkdirSync(path);
    writeFileSync(join(path, `f${index % 250}`), String(index));
  }
  const [upper, work, target] = ["upper", "work", "target"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [upper, work, target]) mkdirSync(path);
  mountOverlay({ lower, upper, work, target });
  try {
    assert.equal(readdirSync(target).length, 250);
    assert.equal(readFileSync(join(target, "f7"), "utf8"), "7");
    const open = openSync(join(target, "f7"), "r");
    await assert.rejects(unmount(target), { code: "EBUSY", syscall: "umount2" });
    closeSync(open);
  } finally {
    await unmount(target);
  }
  await assert.rejects(unmount(target), { code: "EINVAL" });
});

test("older kernels get one string of options, its separators escaped", async (t) => {
  if (!hasCapability("sys_admin")) return t.skip("needs CAP_SYS_ADMIN");
  const directory = await directoryFor(t);
  const names = ["a:b", "c,d\\e", ...Array.from({ length: 100 }, (_, index) => `${"x".repeat(60)}${index}`)];
  const lower = names.map((name) => join(directory, name));
  const [upper, work, target] = ["upper", "work", "target"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [...lower, upper, work, target]) mkdirSync(path);
  for (const [index, path] of lower.entries()) writeFileSync(join(path, `f${index}`), "");
  for (const layers of [lower.slice(0, 3), lower]) {
    mountClassic({ lower: layers, upper, work, target });
    const seen = readdirSync(target).length;
    await unmount(target);
    assert.equal(seen, layers.length);
  }
  mountClassic({ lower, target });
  assert.throws(() => writeFileSync(join(target, "new"), ""), { code: "EROFS" });
  await unmount(target);
});

test("a bind mount can be read-only", async (t) => {
  if (!hasCapability("sys_admin")) return t.skip("needs CAP_SYS_ADMIN");
  const directory = await directoryFor(t);
  for (const name of ["source", "target"]) mkdirSync(join(directory, name));
  bindMount(join(directory, "source"), join(directory, "target"), { readonly: true });
  try {
    assert.throws(() => writeFileSync(join(directory, "target/f"), ""), { code: "EROFS" });
    writeFileSync(join(directory, "source/f"), "");
  } finally {
    await unmount(join(directory, "target"));
  }
});

const NAMESPACE = `
import { mkdirSync, readFileSync, readlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { execFileSync } from "node:child_process";
const { mount, unshareMounts } = process.linux;
const mountNamespace = () => readlinkSync("/proc/thread-self/ns/mnt");
const host = mountNamespace();
const result = unshareMounts();
mkdirSync(process.argv[1], { recursive: true });
mount({ source: "tmpfs", target: process.argv[1], type: "tmpfs" });
const inPool = (await readFile("/proc/thread-self/mountinfo", "utf8")).includes(process.argv[1]);
const inChild = execFileSync("cat", ["/proc/self/mountinfo"], { encoding: "utf8" }).includes(process.argv[1]);
console.log(JSON.stringify({ result, own: mountNamespace() !== host, inPool, inChild, late: unshareMounts().state }));
process.kill(process.pid, "SIGKILL");
`;

test("a private mount namespace holds the process, its pool and its children, and ends with it", async (t) => {
  if (!hasCapability("sys_admin")) return t.skip("needs CAP_SYS_ADMIN");
  const target = join(await directoryFor(t), "mount");
  const load = `import { createRequire } from "node:module"; process.linux = createRequire("${import.meta.filename}")("./index.ts");`;
  const script = NAMESPACE.replace("const {", `${load}\nconst {`);
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", script, target]);
  const { stdout } = await run.catch((error: unknown) => error as { stdout: string });
  assert.deepEqual(JSON.parse(stdout), {
    result: { state: "private" },
    own: true,
    inPool: true,
    inChild: true,
    late: "private",
  });
  assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(target));
});

test("what the kernel can is known", async (t) => {
  const features = kernelFeatures();
  assert.equal(features.openat2, true);
  assert.match(features.release, /^\d+\.\d+/);
  assert.equal(isRootUser(), process.geteuid?.() === 0);
  await syncfs(await directoryFor(t));
});

test("paths keep every byte", () => {
  const odd = Buffer.from([0x61, 0xff, 0xc3, 0xa9]);
  assert.deepEqual(pathOf(odd), odd);
  assert.equal(pathOf(Buffer.from("é")), "é");
  assert.equal(pathOf(Buffer.from("\uFFFD")), "\uFFFD");
  assert.deepEqual(pathOfByteString(byteStringOf(odd)), odd);
  assert.equal(showPath(odd), "a\\xff\\xc3\\xa9");
});

test("statAt has what lstat has", async () => {
  await using directory = await temporaryDirectory();
  const at = (name: string): string => join(directory.path, name);
  writeFileSync(at("file"), "content", { mode: 0o640 });
  symlinkSync("nowhere", at("link"));
  mkdirSync(at("é"));
  lutimes(at("file"), { atime: 1n, mtime: -1_500_000_001n });
  using root = Root.open(directory.path);
  for (const name of ["file", "link", "é", "."]) {
    const { nlink, mode, uid, gid, ...rest } = lstatSync(at(name), { bigint: true });
    const [numbers, large] = [{ nlink, mode, uid, gid }, rest];
    assert.deepEqual(statAt(root.fd, byteStringOf(name)), {
      ...Object.fromEntries(Object.entries(numbers).map(([key, value]) => [key, Number(value)])),
      dev: large.dev,
      ino: large.ino,
      size: large.size,
      rdev: large.rdev,
      mtime: large.mtimeNs,
      ctime: large.ctimeNs,
    });
  }
  assert.equal(statAt(root.fd, "missing"), undefined);
  assert.throws(() => statAt(root.fd, "file/below"), { code: "ENOTDIR" });
});

test("what is opened in an overlay is seen, by name and in any mount namespace", async (t) => {
  if (!isRootUser() || !hasCapability("sys_admin")) return t.skip("needs root");
  const directory = await directoryFor(t);
  const [lower, upper, work, target] = ["lower", "upper", "work", "target"].map((name) => join(directory, name));
  for (const path of [lower, upper, work, target]) mkdirSync(String(path));
  mkdirSync(join(String(lower), "d"));
  for (const name of ["read", "unread", "gone", "d/deep"]) writeFileSync(join(String(lower), name), name);
  mountOverlay({ lower: [String(lower)], upper, work, target: String(target) });
  await using _mounted = { [Symbol.asyncDispose]: async () => await unmount(String(target)) };
  using watch = new OpenWatch(String(target));
  const script = `cat ${target}/read ${target}/gone > /dev/null; ls ${target}/d; rm ${target}/gone; stat ${target}/unread`;
  await promisify(execFile)("unshare", ["--mount", "sh", "-c", script]);
  const seen = watch.read(1000);
  assert.equal(seen.isEmpty, true);
  assert.equal(seen.isIncomplete, false);
  // A path in another mount namespace starts at the root of its mount.
  const paths = seen.files.map(({ path }) => path.replace(String(target), ""));
  assert.deepEqual(new Set(paths), new Set(["/read", "/gone (deleted)", "/d"]));
  assert.ok(seen.files.every(({ pid }) => pid !== process.pid));
  writeFileSync(join(String(target), "read"), "other");
  assert.deepEqual(
    watch.read(1000).files.map(({ pid }) => pid),
    [process.pid],
  );
  using once = new OpenWatch(String(target), ({ pid }) => pid !== process.pid);
  const opened = async (command: string): Promise<string[]> => {
    await promisify(execFile)("sh", ["-c", command]);
    return once.read(1000).files.map(({ path }) => path.replace(String(target), ""));
  };
  const first = await opened(`ls ${target}/d; cat ${target}/read`);
  assert.deepEqual(new Set(first), new Set(["/d", "/read"]));
  // What is in a directory is still reported. Kernels before 6.0 report all again.
  const second = await opened(`ls ${target}/d; cat ${target}/read ${target}/d/deep`);
  const isOld = Number(release().split(".")[0]) < 6;
  assert.deepEqual(new Set(second), new Set(["/d/deep", ...(isOld ? ["/d", "/read"] : [])]));
});

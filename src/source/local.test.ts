import assert from "node:assert/strict";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { wholeTree } from "../contenthash/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { isRootUser } from "../linux/index.ts";
import { readContextFile } from "./local-file.ts";
import { followPatterns } from "./local-follow.ts";
import { openLocalContext, type LocalContext, type LocalContextOptions } from "./local.ts";

interface Made extends AsyncDisposable {
  readonly path: string;
  readonly open: (options?: Partial<LocalContextOptions>) => Promise<LocalContext>;
}

/** A context with the given files; a value that begins with "->" is a link. */
async function make(files: Readonly<Record<string, string>>): Promise<Made> {
  const dir = await temporaryDirectory();
  for (const [name, text] of Object.entries(files)) {
    const path = join(dir.path, name);
    mkdirSync(join(path, ".."), { recursive: true });
    if (text.startsWith("->")) symlinkSync(text.slice(2), path);
    else writeFileSync(path, text);
  }
  return { ...dir, open: (options) => openLocalContext(dir.path, { name: "context", ...options }) };
}

const paths = (context: LocalContext): string[] => [...context.list()].map(({ path }) => path);

test("a context lists what its ignore file leaves", async () => {
  await using dir = await make({ a: "", "b.log": "", "d/c": "", "node_modules/x": "" });
  const context = await dir.open({ excludePatterns: ["*.log", "node_modules"] });
  assert.deepEqual(paths(context), ["a", "d", "d/c"]);
  assert.equal(context.filter?.includes("b.log"), false);
  assert.equal((await dir.open()).filter, undefined);
});

test("only followed paths are there, with the links on the way and what they lead to", async () => {
  await using dir = await make({
    "d/real": "",
    "d/other": "",
    "e/f": "",
    alias: "->d",
    "d/up": "->../e",
    "up.txt": "->/d/real",
    zzz: "",
  });
  assert.deepEqual(paths(await dir.open({ followPaths: ["alias/real"] })), ["alias", "d", "d/real"]);
  assert.deepEqual(paths(await dir.open({ followPaths: ["alias/up/f"] })), ["alias", "d", "d/up", "e", "e/f"]);
  assert.deepEqual(paths(await dir.open({ followPaths: ["*.txt"] })), ["d", "d/real", "up.txt"]);
  assert.deepEqual(paths(await dir.open({ followPaths: ["../../zzz"] })), ["zzz"]);
  assert.equal(paths(await dir.open({ followPaths: ["zzz", "."] })).length, 9);
  assert.deepEqual(paths(await dir.open({ includePatterns: ["zzz"], followPaths: ["."] })), ["zzz"]);
});

test("followed paths are those that fsutil asks for, and loops end", async () => {
  await using dir = await make({ "a/b": "", loop: "->loop", into: "->into/x", wild: "->a", out: "->../../../etc" });
  assert.deepEqual(followPatterns(dir.path, ["a/b", "a", "nowhere/x"]), ["a", "nowhere/x"]);
  assert.deepEqual(followPatterns(dir.path, ["loop"]), ["loop"]);
  assert.deepEqual(followPatterns(dir.path, ["into/y"]), ["into"]);
  assert.deepEqual(followPatterns(dir.path, ["w*/b"]), ["a/b", "w*"]);
  assert.deepEqual(followPatterns(dir.path, ["out/passwd"]), ["etc/passwd", "out"]);
  assert.equal(followPatterns(dir.path, ["/"]), undefined);
});

test("a file that changed since it was checksummed is noticed", async () => {
  await using dir = await make({ a: "1", "d/b": "2" });
  const context = await dir.open();
  assert.equal(context.size, 2);
  await context.checksum([wholeTree]);
  await context.verifyAll();
  writeFileSync(join(dir.path, "d/b"), "3");
  await assert.rejects(context.verifyAll(), { code: "busy", message: /d\/b: it changed during the build/ });
  await context.verifyAll(["a"]);
  const entry = context.entry("d/b");
  assert.ok(entry);
  assert.throws(() => {
    context.verify(entry);
  }, /changed/);
});

test("a copy has contents, permissions, times and links, and belongs to root", async (t) => {
  if (!isRootUser()) return t.skip("needs root to give files away");
  await using dir = await make({ "d/a": "text", "d/x.log": "", link: "->d/a" });
  chmodSync(join(dir.path, "d/a"), 0o4751);
  utimesSync(join(dir.path, "d/a"), 1_000_000, 1_000_000);
  await using target = await temporaryDirectory();
  const context = await dir.open({ excludePatterns: ["**/*.log"] });
  await context.copyTo(target.path);
  const copy = lstatSync(join(target.path, "d/a"));
  assert.equal(readFileSync(join(target.path, "d/a"), "utf8"), "text");
  assert.deepEqual([copy.mode & 0o7777, copy.uid, copy.gid, copy.mtimeMs], [0o4751, 0, 0, 1_000_000_000]);
  assert.equal(readlinkSync(join(target.path, "link")), "d/a");
  const copied = await openLocalContext(target.path, { name: "copy" });
  assert.equal(await copied.checksum([wholeTree]), await context.checksum([wholeTree]));
});

test("a copy has the hard links of what the context contains", async (t) => {
  if (!isRootUser()) return t.skip("needs root to give files away");
  await using dir = await make({ a: "text", "d/x": "" });
  for (const name of ["b", "d/c"]) linkSync(join(dir.path, "a"), join(dir.path, name));
  await using target = await temporaryDirectory();
  await (await dir.open({ excludePatterns: ["a"] })).copyTo(target.path);
  assert.equal(readFileSync(join(target.path, "b"), "utf8"), "text");
  assert.equal(lstatSync(join(target.path, "b")).ino, lstatSync(join(target.path, "d/c")).ino);
  assert.equal(lstatSync(join(target.path, "b")).nlink, 2);
});

test("an ignored Dockerfile can still be read, a link out of the context cannot", async () => {
  await using dir = await make({
    Dockerfile: "FROM scratch",
    "d/f": "->../Dockerfile",
    host: "->/etc/hostname",
    d2: "",
  });
  assert.deepEqual(paths(await dir.open({ excludePatterns: ["**"] })), []);
  assert.equal(readContextFile(dir.path, "Dockerfile", 100)?.toString(), "FROM scratch");
  assert.equal(readContextFile(dir.path, "d/f", 100)?.toString(), "FROM scratch");
  assert.equal(readContextFile(dir.path, "host", 100), undefined);
  assert.equal(readContextFile(dir.path, "d2/x", 100), undefined);
  assert.throws(() => readContextFile(dir.path, "d", 100), { code: "invalid-build" });
  assert.throws(() => readContextFile(dir.path, "Dockerfile", 3), { code: "limit-exceeded" });
});

test("a file that cannot be read fails the checksum with its name, not the scan", async () => {
  await using dir = await make({ secret: "x", a: "" });
  chmodSync(join(dir.path, "secret"), 0);
  const context = await dir.open();
  if (isRootUser()) assert.match(await context.checksum([wholeTree]), /^sha256:/);
  else
    await assert.rejects(context.checksum([wholeTree]), {
      code: "invalid-build",
      message: /secret: permission denied/,
    });
});

import assert from "node:assert/strict";
import { lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import * as fc from "fast-check";
import { temporaryDirectory } from "../io/index.ts";
import { type Path, Root } from "./index.ts";

async function makeRoot(t: TestContext): Promise<{ root: Root; path: string }> {
  const directory = await temporaryDirectory("varve-root-");
  const path = join(directory.path, "root");
  mkdirSync(path);
  writeFileSync(join(directory.path, "outside"), "secret");
  const root = Root.open(path);
  t.after(async () => {
    root[Symbol.dispose]();
    await directory[Symbol.asyncDispose]();
  });
  return { root, path };
}

test("links and .. stop at the root", async (t) => {
  const { root, path } = await makeRoot(t);
  mkdirSync(join(path, "etc"));
  writeFileSync(join(path, "etc/passwd"), "ours");
  symlinkSync("/etc/passwd", join(path, "absolute"));
  symlinkSync("../../../../etc/passwd", join(path, "relative"));
  symlinkSync("../outside", join(path, "out"));
  for (const name of ["absolute", "relative", "../../etc/passwd", "/etc/../etc/passwd"]) {
    assert.equal(root.resolve(name), "etc/passwd");
    using found = root.open(name);
    assert.equal(readFileSync(found.path, "utf8"), "ours");
  }
  assert.equal(root.resolve("absolute", { follow: false }), "absolute");
  assert.equal(root.resolve("/"), "");
  assert.throws(() => root.open("out"), { code: "ENOENT" });
  assert.equal(root.find("out"), undefined);
  assert.equal(root.find("etc/passwd/x"), undefined);
  assert.throws(() => root.resolve("a\0b"), { code: "ERR_INVALID_ARG_VALUE" });
});

test("links that only the kernel can make are refused", () => {
  using root = Root.open("/proc");
  assert.throws(() => root.open("self/root/etc"), { code: "ELOOP" });
  assert.throws(() => root.open("self/fd/0"), { code: "ELOOP" });
});

test("a path that ends nowhere is located, dangling links included", async (t) => {
  const { root, path } = await makeRoot(t);
  mkdirSync(join(path, "d"));
  symlinkSync("/d/new", join(path, "dangling"));
  symlinkSync("loop", join(path, "loop"));
  assert.equal(root.locate("dangling/x"), "d/new/x");
  assert.equal(root.locate("missing/../../d/y/"), "d/y");
  assert.equal(root.locate("d"), "d");
  assert.equal(root.locate(".."), "");
  assert.throws(() => root.locate("loop/x"), { code: "ELOOP" });
});

test("missing directories are made, where a dangling link says too", async (t) => {
  const { root, path } = await makeRoot(t);
  symlinkSync("/a/b", join(path, "l"));
  const made: Path[] = [];
  const create = {
    mode: 0o755,
    onCreate: (made_: Path): unknown => made.push(readlinkSync(String(made_).slice(0, -2))),
  };
  {
    using parent = root.openParent("l/c/file", { create });
    writeFileSync(parent.entry, "x");
    assert.equal(parent.name, "file");
  }
  assert.equal(readFileSync(join(path, "a/b/c/file"), "utf8"), "x");
  assert.equal(made.length, 3);
  using again = root.makeDirectories("a/b/c", create);
  assert.equal(readlinkSync(again.path), join(path, "a/b/c"));
  assert.equal(made.length, 3);
  assert.throws(() => root.makeDirectories("a/b/c/file/d", create), { code: "ENOTDIR" });
  assert.throws(() => root.openParent("no/such"), { code: "ENOENT" });
  using above = root.openParent("a/b/..");
  assert.equal(above.entry, `${above.path}/a`);
});

test("names that are not UTF-8 survive", async (t) => {
  const { root } = await makeRoot(t);
  const name = Buffer.from([0x61, 0xff, 0x62]);
  {
    using parent = root.openParent(name);
    writeFileSync(parent.entry, "x");
  }
  assert.deepEqual(root.resolve(name), name);
  assert.deepEqual(root.locate(Buffer.concat([name, Buffer.from("/..//"), name])), name);
});

test("no path or link reaches outside the root", async (t) => {
  const { root, path } = await makeRoot(t);
  const part = fc.constantFrom("..", ".", "", "a", "b", "l", "outside");
  const anyPath = fc.array(part, { maxLength: 6 }).map((parts) => parts.join("/"));
  let count = 0;
  fc.assert(
    fc.property(anyPath, anyPath, (target, asked) => {
      count += 1;
      const link = join(path, `l${count}`);
      symlinkSync(target === "" ? "/" : target, link);
      const located = String(root.locate(`l${count}/${asked}`));
      assert.ok(!located.startsWith("/") && !located.split("/").includes(".."));
      using found = root.find(`l${count}/${asked}`);
      if (found !== undefined) assert.ok(`${readlinkSync(found.path)}/`.startsWith(`${path}/`));
      assert.ok(lstatSync(link).isSymbolicLink());
    }),
    { numRuns: 200 },
  );
});

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../io/index.ts";
import { makeDirectories } from "./make-directories.ts";

test("missing directories are created, and the topmost one is returned", async () => {
  await using folder = await temporaryDirectory();
  const at = (name: string): string => join(folder.path, name);
  assert.equal(makeDirectories(folder.path), undefined);
  assert.equal(makeDirectories(at("a/b/c"), 0o710), at("a"));
  assert.deepEqual(
    ["a", "a/b", "a/b/c"].map((name) => statSync(at(name)).mode & 0o777),
    [0o710, 0o710, 0o710],
  );
  assert.equal(makeDirectories(at("a/b/d")), at("a/b/d"));
  symlinkSync("a", at("link"));
  assert.equal(makeDirectories(at("link/b/c")), undefined);
  assert.equal(makeDirectories(at("link/e/")), at("link/e/"));
  assert.deepEqual(readdirSync(at("a")).toSorted(), ["b", "e"]);
});

test("a path that cannot be made ends with the system's error", async () => {
  await using folder = await temporaryDirectory();
  const at = (name: string): string => join(folder.path, name);
  writeFileSync(at("file"), "");
  symlinkSync("nowhere", at("dangling"));
  symlinkSync("loop", at("loop"));
  mkdirSync(at("directory"));
  const cases: readonly (readonly [string, string])[] = [
    ["/proc/self/x", "ENOENT"],
    ["/proc/self/x/y/z", "ENOENT"],
    ["/proc/nosuch/x", "ENOENT"],
    ["", "ENOENT"],
    [at("file"), "EEXIST"],
    [at("file/x/y"), "ENOTDIR"],
    [at("dangling"), "EEXIST"],
    [at("dangling/x"), "EEXIST"],
    [at("loop/x"), "ELOOP"],
    [at("n".repeat(256)), "ENAMETOOLONG"],
    [at("deep/".repeat(1000)), "ENAMETOOLONG"],
  ];
  for (const [path, code] of cases) assert.throws(() => makeDirectories(path), { code }, path);
  assert.deepEqual(readdirSync(folder.path).toSorted(), ["dangling", "directory", "file", "loop"]);
});

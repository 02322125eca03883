import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { ListingOrder, checkPath, comparePaths } from "./order.ts";

const path = fc
  .array(fc.constantFrom("a", "a-b", "a.", "b", "\xff", "A"), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join("/"));

test("the slash sorts before every other byte, and a directory before what it contains", () => {
  assert.ok(comparePaths("a/b", "a-b") < 0);
  assert.ok(comparePaths("a", "a/b") < 0);
  assert.ok(comparePaths("a/b", "a\x01") < 0);
  fc.assert(
    fc.property(path, path, (a, b) => {
      const key = (text: string): string => text.replaceAll("/", "\0");
      assert.equal(Math.sign(comparePaths(a, b)), key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0);
    }),
  );
});

test("paths that are not clean, absolute, or lead out are refused with fsutil's messages", () => {
  const message = (text: string): string => {
    try {
      checkPath(text);
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  };
  for (const text of ["a", "a/b", "..a", "a..", "...", " "]) assert.equal(message(text), "");
  for (const text of ["", ".", "a//b", "a/", "./a", "a/../b", "a/..", "//a", "a\0"])
    assert.match(message(text), /^unclean path .*: invalid argument$/s, text);
  assert.equal(message("/a"), "absolute path /a: invalid argument");
  assert.equal(message(".."), "escape check ..: invalid argument");
  assert.equal(message("../a"), "escape check ../a: invalid argument");
  assert.match(message("a".repeat(5000)), /more than 4096 bytes/);
});

test("a listing is taken in its order only, and directories end as soon as they are left", async () => {
  const ended: string[] = [];
  const order = new ListingOrder<string>("root", (name) => void ended.push(name));
  const add = async (text: string, isDirectory = false): Promise<string> => {
    const directory = order.next(text);
    if (isDirectory) order.enter(text, text);
    return directory;
  };
  assert.equal(await add("a", true), "root");
  assert.equal(await add("a/b", true), "a");
  assert.equal(await add("a/b/c"), "a/b");
  assert.deepEqual(ended, []);
  assert.equal(await add("a/d"), "a");
  assert.deepEqual(ended, ["a/b"]);
  await assert.rejects(add("a/b/e"), { code: "corrupt", message: 'changes out of order: "a/b/e" "a/d"' });
  await assert.rejects(add("a/d"), { message: 'changes out of order: "a/d" "a/d"' });
  await assert.rejects(add("a/d/x"), { message: 'changes out of order: "a/d/x" "a/d"' });
  await assert.rejects(add("z/x"), { message: 'changes out of order: "z/x" "a/d"' });
  assert.equal(await add("a-b"), "root");
  await assert.rejects(add("a/z"), { message: 'changes out of order: "a/z" "a-b"' });
  order.end();
  assert.deepEqual(ended, ["a/b", "a", "root"]);
});

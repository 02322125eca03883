import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { httpFileName, isFileName } from "./http-name.ts";

const URL_OF_FILE = "http://h/a/b.tar.gz?x=/y#/z";

test("the name is that of the header, else of the path, else download", () => {
  for (const [url, disposition, expected] of [
    [URL_OF_FILE, undefined, "b.tar.gz"],
    [URL_OF_FILE, "attachment", "b.tar.gz"],
    [URL_OF_FILE, "attachment; filename=c", "c"],
    [URL_OF_FILE, 'attachment; filename="c d;e.txt"', "c d;e.txt"],
    [URL_OF_FILE, 'attachment; filename="a\\"b"', 'a"b'],
    [URL_OF_FILE, "attachment; filename=x; filename*=UTF-8''na%C3%AFve", "naïve"],
    ["http://h/", undefined, "download"],
    ["http://h/d/", undefined, "d"],
    ["http://h/a%20b", undefined, "a b"],
    ["http://h/%zz", undefined, "download"],
    ["no url", undefined, "download"],
  ] as const) {
    assert.equal(httpFileName(url, disposition), expected, `${url} ${disposition}`);
  }
});

test("names that are paths are reduced to their last element", () => {
  for (const [disposition, expected] of [
    ['attachment; filename="../../etc/passwd"', "passwd"],
    ['attachment; filename="/etc/cron.d/x"', "x"],
    ['attachment; filename="..\\\\..\\\\x.exe"', "x.exe"],
    ['attachment; filename=".."', "b.tar.gz"],
    ['attachment; filename="."', "b.tar.gz"],
    ['attachment; filename="a/"', "b.tar.gz"],
    ["attachment; filename*=UTF-8''..%2F..%2Fx", "x"],
    ["attachment; filename*=UTF-8''%00", "b.tar.gz"],
    [`attachment; filename=${"x".repeat(256)}`, "b.tar.gz"],
  ] as const) {
    assert.equal(httpFileName(URL_OF_FILE, disposition), expected, disposition);
  }
  assert.equal(httpFileName("http://h/..%2f..%2fetc%2fpasswd", undefined), "passwd");
});

test("whatever the server says, the name is one path element", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (path, disposition) =>
      isFileName(httpFileName(`http://h/${path}`, disposition)),
    ),
  );
  fc.assert(
    fc.property(fc.string(), (name) => isFileName(httpFileName("http://h/", `attachment; filename="${name}"`))),
  );
});

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../../core/index.ts";
import { temporaryDirectory } from "../../io/index.ts";
import { Root } from "../../linux/index.ts";
import { parseGroup, parsePasswd, resolveUser, type StepUser, userIn } from "./user.ts";

const PASSWD = parsePasswd(
  "root:x:0:0::/root:/bin/sh\nann:x:1000:100:Ann:/home/ann:\nann2:x:1000:7::/two:\n12:x:9:9::/nine:\n",
);
const GROUP = parseGroup("root:x:0:\nwheel:x:10:ann,bob\nusers:x:100:\nmore:x:11: \nstaff:x:12:bob,ann\nadm:x:4:root");

function resolve(user: string): StepUser {
  return resolveUser(
    user,
    () => PASSWD,
    () => GROUP,
  );
}

function ids({ uid, gid, groups, home }: StepUser): unknown[] {
  return [uid, gid, groups, home];
}

test("names come with their groups, an explicit group comes alone", () => {
  assert.deepEqual(ids(resolve("ann")), [1000, 100, [100, 10, 12], "/home/ann"]);
  assert.deepEqual(ids(resolve("ann:wheel")), [1000, 10, [10], "/home/ann"]);
  assert.deepEqual(ids(resolve("ann:77")), [1000, 77, [77], "/home/ann"]);
  assert.deepEqual(ids(resolve("")), [0, 0, [0, 4], "/root"]);
  assert.deepEqual(ids(resolve("ann:")), [1000, 100, [100, 10, 12], "/home/ann"]);
  assert.deepEqual(ids(resolve(":wheel")), [0, 10, [10], "/root"]);
});

test("a number is an id, known or not, even where it is someone's name", () => {
  assert.deepEqual(ids(resolve("1000")), [1000, 100, [100, 10, 12], "/home/ann"]);
  assert.deepEqual(ids(resolve("12")), [12, 0, [0], "/"]);
  assert.deepEqual(ids(resolve("5:6")), [5, 6, [6], "/"]);
  assert.deepEqual(ids(resolve("4294967294:4294967294")), [4294967294, 4294967294, [4294967294], "/"]);
});

test("root needs no files", () => {
  const none = (): [] => [];
  assert.deepEqual(ids(resolveUser("root", none, none)), [0, 0, [0], "/"]);
  assert.deepEqual(ids(resolveUser("root:root", none, none)), [0, 0, [0], "/"]);
});

test("unknown, out-of-range and malformed users are errors", () => {
  for (const user of ["nobody", "ann:nogroup", "4294967295", "0:4294967295", "99999999999", "-1", "a:b:c", "1 "])
    assert.throws(
      () => resolve(user),
      (error) => isVarveError(error, "invalid-build"),
      user,
    );
});

test("malformed lines are skipped", () => {
  assert.deepEqual(parsePasswd("a:x:zero:0::/:\nb:x:1\n:x:0:0::/:\nc:x:-1:0::/:\nd:x:4294967295:0::/:\n#\n\n"), []);
  assert.deepEqual(parseGroup("a:x:\nb\n:x:1:\n"), []);
});

test("whatever the files hold, a user is resolved to valid ids or refused", () => {
  const line = fc.array(fc.oneof(fc.string(), fc.nat().map(String), fc.constantFrom("root", "ann", "0")), {
    maxLength: 8,
  });
  const file = fc.array(line.map((fields) => fields.join(":"))).map((lines) => lines.join("\n"));
  fc.assert(
    fc.property(
      file,
      file,
      fc.oneof(fc.string(), fc.constantFrom("root", "ann", "ann:ann", "0:0")),
      (passwd, group, user) => {
        try {
          const found = resolveUser(
            user,
            () => parsePasswd(passwd),
            () => parseGroup(group),
          );
          for (const id of [found.uid, found.gid, ...found.groups]) assert.ok(id >= 0 && id < 2 ** 32 - 1);
          assert.ok(found.home.startsWith("/"));
        } catch (error) {
          assert.ok(isVarveError(error, "invalid-build"), String(error));
        }
      },
    ),
  );
});

test("the files are the image's own, regular, and not too large", async () => {
  await using directory = await temporaryDirectory();
  using root = Root.open(directory.path);
  assert.throws(() => userIn(root, "root2"), /no user "root2"/);
  mkdirSync(join(directory.path, "etc"));
  symlinkSync("/etc/passwd", join(directory.path, "etc/passwd"));
  assert.equal(userIn(root, "root").home, "/");
  mkdirSync(join(directory.path, "real"));
  symlinkSync("/real/group", join(directory.path, "etc/group"));
  writeFileSync(join(directory.path, "real/group"), "crew:x:5:");
  assert.equal(userIn(root, "0:crew").gid, 5);
  truncateSync(join(directory.path, "real/group"), 11 * 1024 * 1024);
  assert.throws(
    () => userIn(root, "0:crew"),
    (error) => isVarveError(error, "limit-exceeded"),
  );
});

test("a named pipe in place of a file does not hold the build up", async () => {
  await using directory = await temporaryDirectory();
  mkdirSync(join(directory.path, "etc"));
  execFileSync("mkfifo", [join(directory.path, "etc/passwd")]);
  using root = Root.open(directory.path);
  assert.throws(
    () => userIn(root, "ann"),
    (error) => isVarveError(error, "invalid-build"),
  );
});

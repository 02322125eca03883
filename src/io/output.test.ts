import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  lstatSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { bytesOf } from "./bytes.ts";
import { writeOutput } from "./output.ts";
import { temporaryDirectory } from "./temporary.ts";

const skip = process.getuid?.() === 0 ? false : "only root can make devices";

function made(program: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
}

async function* failing(): AsyncGenerator<Uint8Array> {
  yield Buffer.from("part");
  throw new Error("broken");
}

test("a new file is whole or not there; no temporary file stays", async () => {
  await using folder = await temporaryDirectory();
  const path = join(folder.path, "n".repeat(255));
  await assert.rejects(writeOutput(path, failing()), /broken/);
  assert.deepEqual(readdirSync(folder.path), []);
  await writeOutput(path, bytesOf("t", "wo"));
  assert.equal(readFileSync(path, "utf8"), "two");
  assert.deepEqual(readdirSync(folder.path), ["n".repeat(255)]);
});

test("a file is replaced whole and keeps its mode and owner", async () => {
  await using folder = await temporaryDirectory();
  const path = join(folder.path, "file");
  writeFileSync(path, "old");
  chmodSync(path, 0o666);
  if (skip === false) chownSync(path, 1234, 1235);
  const { ino, uid, gid } = statSync(path);
  await assert.rejects(writeOutput(path, failing()), /broken/);
  assert.equal(readFileSync(path, "utf8"), "old");
  await writeOutput(path, "new");
  const after = statSync(path);
  assert.equal(readFileSync(path, "utf8"), "new");
  assert.deepEqual([after.mode & 0o7777, after.uid, after.gid], [0o666, uid, gid]);
  assert.notEqual(after.ino, ino);
  assert.deepEqual(readdirSync(folder.path), ["file"]);
});

test("a link stays a link, also one that leads nowhere yet", async () => {
  await using folder = await temporaryDirectory();
  const at = (name: string): string => join(folder.path, name);
  writeFileSync(at("file"), "something long");
  for (const target of ["file", "missing"]) {
    symlinkSync(target, at(`to-${target}`));
    await writeOutput(at(`to-${target}`), "new");
    assert.deepEqual([readlinkSync(at(`to-${target}`)), readFileSync(at(target), "utf8")], [target, "new"]);
  }
  assert.deepEqual(readdirSync(folder.path).toSorted(), ["file", "missing", "to-file", "to-missing"]);
});

test("a device stays a device and gets the bytes", { skip }, async () => {
  await using folder = await temporaryDirectory();
  const [nothing, full] = [join(folder.path, "null"), join(folder.path, "full")];
  made("mknod", nothing, "c", "1", "3");
  made("mknod", full, "c", "1", "7");
  await writeOutput(nothing, "x");
  await writeOutput(nothing, bytesOf("x", "y"));
  assert.ok(lstatSync(nothing).isCharacterDevice());
  await assert.rejects(writeOutput(full, "x"), { code: "ENOSPC" });
  assert.ok(lstatSync(full).isCharacterDevice());
  assert.deepEqual(readdirSync(folder.path).toSorted(), ["full", "null"]);
});

test("a named pipe is written to once somebody reads; waiting for that can be cancelled", async () => {
  await using folder = await temporaryDirectory();
  const path = join(folder.path, "pipe");
  made("mkfifo", path);
  const abort = new AbortController();
  const waiting = writeOutput(path, "x", { signal: abort.signal });
  abort.abort();
  await assert.rejects(waiting, { code: "cancelled" });
  const large = Buffer.alloc(300_000, "a");
  const written = writeOutput(path, bytesOf(large));
  assert.equal((await readFile(path)).length, large.length);
  await written;
  assert.ok(lstatSync(path).isFIFO());
});

test("a socket is kept, and its listener gets the bytes", async () => {
  await using folder = await temporaryDirectory();
  const path = join(folder.path, "socket");
  const server = createServer();
  server.listen(path);
  await once(server, "listening");
  const connection = once(server, "connection") as Promise<[NodeJS.ReadableStream]>;
  const written = writeOutput(path, "to whom it may concern");
  const [socket] = await connection;
  assert.equal(await text(socket), "to whom it may concern");
  await written;
  assert.ok(lstatSync(path).isSocket());
  server.close();
  await once(server, "close");
});

test("a file that is a mount point, or in a directory that takes none, is written in place", { skip }, async () => {
  await using folder = await temporaryDirectory();
  const at = (name: string): string => join(folder.path, name);
  writeFileSync(at("inner"), "old");
  writeFileSync(at("outer"), "old and longer");
  made("mount", "--bind", at("outer"), at("inner"));
  try {
    await writeOutput(at("inner"), "new");
    assert.equal(readFileSync(at("outer"), "utf8"), "new");
    made("mount", "--rbind", folder.path, folder.path);
    made("mount", "-o", "remount,bind,ro", folder.path);
    await writeOutput(at("inner"), "newer");
    await assert.rejects(writeOutput(at("other"), "x"), { code: "EROFS" });
    assert.equal(readFileSync(at("inner"), "utf8"), "newer");
  } finally {
    spawnSync("umount", ["-R", folder.path]);
    spawnSync("umount", [at("inner")]);
  }
  assert.deepEqual(readdirSync(folder.path).toSorted(), ["inner", "outer"]);
});

test("a directory is refused", async () => {
  await using folder = await temporaryDirectory();
  await assert.rejects(writeOutput(folder.path, "x"), { code: "EISDIR" });
  await assert.rejects(writeOutput(join(folder.path, "no", "file"), "x"), { code: "ENOENT" });
});

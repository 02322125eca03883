import assert from "node:assert/strict";
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type TemporaryDirectory, temporaryDirectory } from "../io/index.ts";
import { type Database, openState } from "../state/index.ts";
import { isRacy, statEntry } from "./file-stat.ts";
import { type ContextTree, type DiskNode, StatCache, checksum, scanContext, wholeTree } from "./index.ts";
import { walkNodes } from "./directory.ts";

interface Bench extends AsyncDisposable {
  readonly context: string;
  readonly state: Database;
  readonly cache: StatCache;
}

async function bench(): Promise<Bench> {
  const dir: TemporaryDirectory = await temporaryDirectory();
  const context = join(dir.path, "context");
  mkdirSync(join(context, "d"), { recursive: true });
  writeFileSync(join(context, "a"), "a");
  writeFileSync(join(context, "d/b"), "b");
  symlinkSync("a", join(context, "link"));
  const state = openState(join(dir.path, "state.db"));
  return {
    context,
    state,
    cache: new StatCache(state),
    [Symbol.asyncDispose]: async () => {
      state.close();
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** Waits until nothing of a path is as young as a read of it would be. */
async function settle(...paths: string[]): Promise<void> {
  for (const path of paths)
    for (;;) {
      const stat = statEntry(path);
      if (stat === undefined || !isRacy(stat, BigInt(Date.now()) * 1_000_000n)) break;
      await sleep(5);
    }
}

const settleAll = ({ context }: Bench): Promise<void> =>
  settle(...["a", "d", "d/b", "link"].map((name) => join(context, name)));

/** Paths, from the root of the context, that a scan knows no digest of. */
function unknown(tree: ContextTree): string[] {
  const nodes = walkNodes(tree.root) as DiskNode[];
  return nodes.filter(({ digest }) => digest === undefined).map(({ path }) => path.slice(tree.path.length + 1));
}

async function build({ context, cache }: Pick<Bench, "context" | "cache">): Promise<string> {
  const tree = await scanContext(context, { cache });
  const digest = await checksum(tree, [wholeTree]);
  tree.save();
  return digest;
}

const changes = (state: Database): number => state.get<{ n: number }>("SELECT total_changes() AS n")?.n ?? Number.NaN;

test("an unchanged context is known from its metadata, and writes nothing", async () => {
  await using b = await bench();
  await settleAll(b);
  const first = await build(b);
  const before = changes(b.state);
  const tree = await scanContext(b.context, b);
  assert.deepEqual(unknown(tree), []);
  assert.equal(await build(b), first);
  assert.equal(changes(b.state), before);
});

test("a changed file is read again, and only that", async () => {
  await using b = await bench();
  await settleAll(b);
  const first = await build(b);
  writeFileSync(join(b.context, "d/b"), "B");
  const tree = await scanContext(b.context, b);
  assert.deepEqual(unknown(tree), ["d/b"]);
  assert.notEqual(await checksum(tree, [wholeTree]), first);
});

test("a file whose size and mtime are put back is read again: its ctime tells", async () => {
  await using b = await bench();
  await settleAll(b);
  const first = await build(b);
  const file = join(b.context, "a");
  const { atime, mtime } = statSync(file);
  writeFileSync(file, "A");
  utimesSync(file, atime, mtime);
  assert.notEqual(await build(b), first);
});

test("a file as young as the scan is not remembered", async () => {
  await using b = await bench();
  await settleAll(b);
  // Time stamps of this file lie in the present of any clock.
  const file = join(b.context, "a");
  const fd = openSync(file, "a");
  try {
    writeSync(fd, "!");
    await build(b);
    const young = isRacy(statEntry(file) ?? assert.fail(), BigInt(Date.now() - 5) * 1_000_000n);
    const tree = await scanContext(b.context, b);
    if (young) assert.deepEqual(unknown(tree), ["a"]);
  } finally {
    closeSync(fd);
  }
  await settle(file);
  await build(b);
  assert.deepEqual(unknown(await scanContext(b.context, b)), []);
});

test("youth is judged by the tick of the filesystem's clock", () => {
  const stat = statEntry("/") ?? assert.fail();
  const second = 1_000_000_000n;
  const now = 1_000_000n * second + 500_000_000n;
  const young = (ctime: bigint, mtime: bigint = 1n): boolean => isRacy({ ...stat, ctime, mtime }, now);
  assert.equal(young(now), true);
  assert.equal(young(now - 10_000_000n), true);
  assert.equal(young(now - 30_000_000n), false);
  // Whole seconds: the filesystem may keep nothing finer.
  assert.equal(young(now - 500_000_000n), true);
  assert.equal(young(now - 500_000_000n - 2n * second), false);
  assert.equal(young(1n, now - 10_000_000n), true);
  assert.equal(young(1n, now + 3600n * second + 1n), false, "a time in the future was set by hand");
});

test("what is known of one root says nothing of another", async () => {
  await using b = await bench();
  await settleAll(b);
  await build(b);
  const moved = `${b.context}-moved`;
  renameSync(b.context, moved);
  assert.equal(unknown(await scanContext(moved, b)).length, 4);
  mkdirSync(b.context);
  renameSync(join(moved, "a"), join(b.context, "a"));
  assert.deepEqual(unknown(await scanContext(b.context, b)), ["a"], "another directory at the same path");
});

test("a file that is renamed onto another one is not taken for it", async () => {
  await using b = await bench();
  await settleAll(b);
  const first = await build(b);
  renameSync(join(b.context, "d/b"), join(b.context, "a"));
  const tree = await scanContext(b.context, b);
  assert.ok(unknown(tree).includes("a"));
  assert.notEqual(await checksum(tree, [wholeTree]), first);
});

test("rows of directories that are gone go with the next save", async () => {
  await using b = await bench();
  await settleAll(b);
  await build(b);
  rmSync(join(b.context, "d"), { recursive: true });
  writeFileSync(join(b.context, "a"), "aa");
  await settle(join(b.context, "a"));
  await build(b);
  const rows = b.state.all<{ path: Uint8Array }>("SELECT path FROM context_directory");
  assert.deepEqual(
    rows.map(({ path }) => Buffer.from(path).toString()),
    [""],
  );
});

test("a partial scan keeps what is known of the rest", async () => {
  await using b = await bench();
  await settleAll(b);
  await build(b);
  writeFileSync(join(b.context, "a"), "aa");
  await settle(join(b.context, "a"));
  const { PathFilter } = await import("../pattern/index.ts");
  const tree = await scanContext(b.context, { cache: b.cache, filter: new PathFilter({ include: ["a"] }) });
  await checksum(tree, [wholeTree]);
  tree.save();
  assert.deepEqual(unknown(await scanContext(b.context, b)), []);
});

test("a damaged row is as if it were not there", async () => {
  await using b = await bench();
  await settleAll(b);
  const first = await build(b);
  b.state.run("UPDATE context_directory SET entries = substr(entries, 1, length(entries) - 5)");
  assert.equal(await build(b), first);
  b.state.run("UPDATE context_directory SET entries = x'ff00'");
  assert.equal(await build(b), first);
});

test("a file that never stops changing is an error, and is not remembered", async () => {
  await using b = await bench();
  await settleAll(b);
  const file = join(b.context, "a");
  const tree = await scanContext(b.context, b);
  const large = Buffer.alloc(8 << 20, "x");
  writeFileSync(file, large);
  const timer = setInterval(() => {
    appendFileSync(file, "y");
  }, 0);
  try {
    await assert.rejects(checksum(tree, [wholeTree]), { code: "busy", message: /changes while it is read/ });
  } finally {
    clearInterval(timer);
  }
  tree.save();
  assert.ok(unknown(await scanContext(b.context, b)).includes("a"));
});

test("a file that changed between scan and checksum has the checksum of what it is now", async () => {
  await using b = await bench();
  await settleAll(b);
  const tree = await scanContext(b.context, b);
  writeFileSync(join(b.context, "a"), "something else");
  const digest = await checksum(tree, [wholeTree]);
  assert.equal(digest, await checksum(await scanContext(b.context), [wholeTree]));
});

import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { streamPair } from "../../testing/message-streams.ts";
import { type TreeOp, describeTree, perform, runs, treeOps, treePaths } from "../../testing/trees.ts";
import { temporaryDirectory } from "../io/index.ts";
import { type EntryStat, isRootUser, lutimes, pathOfByteString } from "../linux/index.ts";
import { PathFilter } from "../pattern/index.ts";
import {
  DirectoryTree,
  type DirectoryTreeOptions,
  type MessageStream,
  type OnEntry,
  type Received,
  type ReceiveOptions,
  decodeStat,
  receiveTree,
  sendTree,
} from "./index.ts";
import { decodePacket, encodePacket } from "./wire/packet.ts";

const skip = isRootUser() ? false : "needs root: owners, devices";

/** Describes a tree. Which names are one symbolic link is left out, because the protocol cannot express it. */
function described(root: string): string[] {
  const lines = describeTree(root, { directoryTimes: true, userXattrs: true });
  return lines.map((line) => line.replace(/^(.* to ".*") is ".*"$/, "$1"));
}

/** Sends one directory to another. The receiver is the client. */
async function transfer(
  from: string,
  to: string,
  options: ReceiveOptions & { readonly tree?: DirectoryTreeOptions } = {},
): Promise<Received> {
  const { client, server } = streamPair();
  using tree = new DirectoryTree(from, options.tree);
  const [received] = await Promise.all([receiveTree(client, to, options), sendTree(server, tree)]);
  return received;
}

async function twoDirectories(): Promise<AsyncDisposable & { readonly from: string; readonly to: string }> {
  const fixture = await temporaryDirectory();
  const [from, to] = [join(fixture.path, "from"), join(fixture.path, "to")];
  mkdirSync(from);
  mkdirSync(to);
  return { from, to, [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose]() };
}

test("any tree is received as it was sent", { skip }, async () => {
  await fc.assert(
    fc.asyncProperty(treeOps(30), async (ops) => {
      await using fixture = await twoDirectories();
      for (const op of ops) perform(fixture.from, op);
      await transfer(fixture.from, fixture.to);
      assert.deepEqual(described(fixture.to), described(fixture.from));
      const again = await transfer(fixture.from, fixture.to);
      assert.equal(again.files, 0);
      assert.deepEqual(described(fixture.to), described(fixture.from));
    }),
    { numRuns: runs(40) },
  );
});

/** Attributes change without a trace in what is compared. */
function isNoticed({ op }: TreeOp): boolean {
  return op !== "xattr" && op !== "capability";
}

/** Whether a file has changed but has the same size and time, so that nobody can notice. */
function hasHiddenChange(before: string, after: string): boolean {
  return treePaths(after).some((path) => {
    const [was, is] = [before, after].map((root) => {
      const full = pathOfByteString(Buffer.from(`${root}/`).toString("latin1") + path);
      const stat = existsLink(full) ? lstatSync(full, { bigint: true }) : undefined;
      return stat === undefined
        ? undefined
        : { stat, content: stat.isFile() ? readFileSync(full).toString("hex") : "" };
    });
    if (was === undefined || is === undefined || was.content === is.content) return false;
    return was.stat.size === is.stat.size && was.stat.mtimeNs === is.stat.mtimeNs;
  });
}

function existsLink(path: string | Buffer): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

test("after any changes, the second transfer makes the trees equal again", { skip }, async () => {
  await fc.assert(
    fc.asyncProperty(treeOps(25), treeOps(12), async (first, second) => {
      await using fixture = await twoDirectories();
      for (const op of first.filter(isNoticed)) perform(fixture.from, op);
      const { listing: unchangedSince } = await transfer(fixture.from, fixture.to);
      for (const op of second.filter(isNoticed)) perform(fixture.from, op);
      fc.pre(!hasHiddenChange(fixture.to, fixture.from));
      const { listing } = await transfer(fixture.from, fixture.to, { unchangedSince });
      assert.deepEqual(described(fixture.to), described(fixture.from));
      let taken = 0;
      const again = await transfer(fixture.from, fixture.to, { unchangedSince: listing, onEntry: () => (taken += 1) });
      assert.deepEqual([again.isUnchanged, again.files, taken], [true, 0, 0]);
    }),
    { numRuns: runs(40) },
  );
});

test("only what differs is transferred", async () => {
  await using fixture = await twoDirectories();
  for (let index = 0; index < 600; index += 1) writeFileSync(join(fixture.from, `f${index}`), `content ${index}`);
  mkdirSync(join(fixture.from, "d"));
  const own: ReceiveOptions = { ownership: "process" };
  assert.partialDeepStrictEqual(await transfer(fixture.from, fixture.to, own), {
    entries: 601,
    files: 600,
    bytes: 6490,
  });
  const kept = statSync(join(fixture.to, "f7")).ino;
  writeFileSync(join(fixture.from, "f5"), "other");
  rmSync(join(fixture.from, "f6"));
  writeFileSync(join(fixture.to, "d/strange"), "not the sender's");
  const entries = new Map<string, EntryStat | undefined>();
  const onEntry: OnEntry = (directory, name, stat) => void entries.set(join(directory, name), stat);
  assert.equal((await transfer(fixture.from, fixture.to, { ...own, onEntry })).files, 1);
  assert.deepEqual([entries.size, entries.get("f7")?.ino], [600, BigInt(kept)]);
  assert.deepEqual(
    [...entries].filter(([, stat]) => stat === undefined).map(([path]) => path),
    ["d", "f5"],
  );
  assert.equal(readFileSync(join(fixture.to, "f5"), "utf8"), "other");
  assert.equal(existsSync(join(fixture.to, "f6")), false);
  assert.equal(existsSync(join(fixture.to, "d/strange")), false);
  assert.equal(statSync(join(fixture.to, "f7")).ino, kept);
  assert.equal((await transfer(fixture.from, fixture.to, { ...own, differ: "none" })).files, 599);
});

test("whatever takes the place of something else does so", async () => {
  await using fixture = await twoDirectories();
  const kinds: Readonly<Record<string, (path: string) => void>> = {
    file: (path) => writeFileSync(path, "x"),
    directory: (path) => {
      mkdirSync(path);
      writeFileSync(join(path, "below"), "y");
    },
    link: (path) => symlinkSync("/etc", path),
    hard: (path) => linkSync(join(fixture.from, "aaa"), path),
  };
  writeFileSync(join(fixture.from, "aaa"), "first");
  for (const [before, make] of Object.entries(kinds)) {
    for (const [after, makeAfter] of Object.entries(kinds)) {
      const path = join(fixture.from, "entry");
      rmSync(path, { recursive: true, force: true });
      make(path);
      await transfer(fixture.from, fixture.to, { ownership: "process" });
      rmSync(path, { recursive: true, force: true });
      makeAfter(path);
      await transfer(fixture.from, fixture.to, { ownership: "process" });
      assert.deepEqual(described(fixture.to), described(fixture.from), `${before} to ${after}`);
    }
  }
  assert.deepEqual(readdirSync(fixture.to).sort(), ["aaa", "entry"]);
});

test("a hard link follows its file, even if only the content has changed", async () => {
  await using fixture = await twoDirectories();
  const file = join(fixture.from, "a");
  writeFileSync(file, "1");
  linkSync(file, join(fixture.from, "b"));
  utimesSync(file, 1000, 1000);
  await transfer(fixture.from, fixture.to, { ownership: "process" });
  writeFileSync(file, "22");
  utimesSync(file, 1000, 1000);
  await transfer(fixture.from, fixture.to, { ownership: "process" });
  assert.equal(readFileSync(join(fixture.to, "b"), "utf8"), "22");
  assert.equal(statSync(join(fixture.to, "a")).ino, statSync(join(fixture.to, "b")).ino);
});

test("the first name that the filter leaves is the file, the others are links to it", async () => {
  await using fixture = await twoDirectories();
  writeFileSync(join(fixture.from, "a"), "text");
  for (const name of ["b", "c"]) linkSync(join(fixture.from, "a"), join(fixture.from, name));
  await transfer(fixture.from, fixture.to, {
    ownership: "process",
    tree: { filter: new PathFilter({ exclude: ["a"] }) },
  });
  assert.deepEqual(readdirSync(fixture.to).sort(), ["b", "c"]);
  assert.equal(readFileSync(join(fixture.to, "b"), "utf8"), "text");
  assert.equal(statSync(join(fixture.to, "b")).ino, statSync(join(fixture.to, "c")).ino);
});

test("a filter sends the directories above what it includes, and nothing else", async () => {
  await using fixture = await twoDirectories();
  for (const path of ["a/b", "a/c/d", "e", "a-b"]) mkdirSync(join(fixture.from, path), { recursive: true });
  for (const path of ["a/b/x", "a/c/d/y", "e/z", "a-b/x", "top"]) writeFileSync(join(fixture.from, path), path);
  const list = async (options: ConstructorParameters<typeof PathFilter>[0]): Promise<string[]> => {
    await transfer(fixture.from, fixture.to, { ownership: "process", tree: { filter: new PathFilter(options) } });
    return treePaths(fixture.to);
  };
  assert.deepEqual(await list({ include: ["a/c"] }), ["a", "a/c", "a/c/d", "a/c/d/y"]);
  assert.deepEqual(await list({ include: ["**/x"] }), ["a", "a/b", "a/b/x", "a-b", "a-b/x"]);
  assert.deepEqual(await list({ exclude: ["*", "!a/c/d/y"] }), ["a", "a/c", "a/c/d", "a/c/d/y"]);
  assert.deepEqual(await list({ exclude: ["a", "e"] }), ["a-b", "a-b/x", "top"]);
});

test("large files arrive while small ones do, holes and all", async () => {
  await using fixture = await twoDirectories();
  const large = Buffer.alloc(9_000_000, "0123456789abcdef");
  writeFileSync(join(fixture.from, "large"), large);
  writeFileSync(join(fixture.from, "sparse"), "");
  truncateSync(join(fixture.from, "sparse"), 3_000_000);
  for (let index = 0; index < 20; index += 1) writeFileSync(join(fixture.from, `small${index}`), String(index));
  let progress = 0;
  await transfer(fixture.from, fixture.to, { ownership: "process", onProgress: (bytes) => (progress = bytes) });
  assert.deepEqual(described(fixture.to), described(fixture.from));
  assert.ok(progress > 12_000_000 && progress < 12_100_000, `${progress}`);
});

test("a file that cannot be opened any more is empty", async () => {
  await using fixture = await twoDirectories();
  writeFileSync(join(fixture.from, "a"), "text");
  const { client, server } = streamPair();
  using tree = new DirectoryTree(fixture.from);
  const gone = { entries: () => tree.entries(), open: () => undefined };
  await Promise.all([receiveTree(client, fixture.to, { ownership: "process" }), sendTree(server, gone)]);
  assert.equal(readFileSync(join(fixture.to, "a"), "utf8"), "");
  assert.equal(
    (await transfer(fixture.from, fixture.to, { ownership: "process" })).files,
    1,
    "its size is not the sender's",
  );
  assert.equal(readFileSync(join(fixture.to, "a"), "utf8"), "text");
});

test("directories keep the times of the sender, even if what is in them changes", async () => {
  await using fixture = await twoDirectories();
  mkdirSync(join(fixture.from, "d/e"), { recursive: true });
  writeFileSync(join(fixture.from, "d/e/f"), "1");
  const at = (path: string): void => lutimes(join(fixture.from, path), { atime: 5n, mtime: 1_234_567_891n });
  at("d/e");
  at("d");
  await transfer(fixture.from, fixture.to, { ownership: "process" });
  writeFileSync(join(fixture.from, "d/e/f"), "22");
  await transfer(fixture.from, fixture.to, { ownership: "process" });
  for (const path of ["d", "d/e"])
    assert.equal(lstatSync(join(fixture.to, path), { bigint: true }).mtimeNs, 1_234_567_891n);
});

test("directories that their owner may not change are received too", async () => {
  await using fixture = await twoDirectories();
  mkdirSync(join(fixture.from, "d/e"), { recursive: true });
  writeFileSync(join(fixture.from, "d/e/f"), "1");
  for (const [path, mode] of [
    ["d/e", 0o555],
    ["d", 0o500],
  ] as const)
    chmodSync(join(fixture.from, path), mode);
  await transfer(fixture.from, fixture.to, { ownership: "process" });
  chmodSync(join(fixture.from, "d/e/f"), 0o600);
  await transfer(fixture.from, fixture.to, { ownership: "process" });
  assert.deepEqual(described(fixture.to), described(fixture.from));
  // So that they can be removed.
  for (const root of [fixture.from, fixture.to]) for (const path of ["d", "d/e"]) chmodSync(join(root, path), 0o700);
});

test("the receiver says when it has everything, and closes only after the sender has", async () => {
  await using fixture = await twoDirectories();
  const { client, server } = streamPair({ record: true });
  const log: string[] = [];
  const noting: MessageStream = {
    receive: (async function* () {
      yield* client.receive;
      log.push("the sender has closed");
    })(),
    send: async (message) => {
      log.push(`sent ${decodePacket(message).type}`);
      await client.send(message);
    },
    closeSend: async () => {
      log.push("closed");
      await client.closeSend();
    },
  };
  const receiving = receiveTree(noting, fixture.to, { ownership: "process" });
  // A packet of no bytes ends the listing.
  await server.send(new Uint8Array(0));
  while (log.length === 0) await new Promise((resolve) => setImmediate(resolve));
  await server.send(encodePacket({ type: "finish" }));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(log, ["sent finish"]);
  await server.closeSend();
  assert.partialDeepStrictEqual(await receiving, { entries: 0, files: 0, bytes: 0 });
  assert.deepEqual(log, ["sent finish", "the sender has closed", "closed"]);
});

test("the sender confirms the end, closes, and waits for the receiver", async () => {
  await using fixture = await twoDirectories();
  writeFileSync(join(fixture.from, "f"), Buffer.alloc(3_000_000));
  const pair = streamPair({ record: true });
  using tree = new DirectoryTree(fixture.from);
  let isDone = false;
  const sending = sendTree(pair.client, tree).then(() => (isDone = true));
  for await (const batch of pair.server.receive)
    for (const message of batch) {
      const packet = decodePacket(message);
      if (packet.type === "listed") await pair.server.send(encodePacket({ type: "request", id: 0 }));
      if (packet.type === "data" && packet.data.length === 0) await pair.server.send(encodePacket({ type: "finish" }));
    }
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isDone, false);
  await pair.server.closeSend();
  await sending;
  const sent = pair.sent.client.map((message) => decodePacket(message).type);
  assert.deepEqual([...new Set(sent)], ["stat", "listed", "data", "finish"]);
  assert.ok(
    pair.sent.client.every((message) => message.length <= 1_048_600),
    "clients take at most 4 MiB",
  );
});

test("metadata only: all entries are listed in a file, and exceptions are received with their directories", async () => {
  await using fixture = await twoDirectories();
  mkdirSync(join(fixture.from, "a/b"), { recursive: true });
  mkdirSync(join(fixture.from, "c"));
  for (const path of [".fsutil-metadata", "a/b/wanted", "a/b/z", "c/x", "y"])
    writeFileSync(join(fixture.from, path), path);
  const received = await transfer(fixture.from, fixture.to, {
    ownership: "process",
    metadataOnlyExcept: ["a/b/wanted"],
  });
  assert.equal(received.files, 1);
  assert.deepEqual(treePaths(fixture.to), [".fsutil-metadata", "a", "a/b", "a/b/wanted"]);
  assert.equal(
    readFileSync(join(fixture.to, "a/b/wanted"), "utf8"),
    "a/b/wanted",
    "ids count the file that is skipped",
  );
  const listed: string[] = [];
  const bytes = readFileSync(join(fixture.to, ".fsutil-metadata"));
  for (let at = 0; at < bytes.length;) {
    const end = at + 4 + bytes.readUInt32LE(at);
    listed.push(decodeStat(bytes.subarray(at + 4, end)).path);
    at = end;
  }
  assert.deepEqual(listed, ["a", "a/b", "a/b/wanted", "a/b/z", "c", "c/x", "y"]);
  await transfer(fixture.from, fixture.to, { ownership: "process", metadataOnlyExcept: [] });
  assert.deepEqual(treePaths(fixture.to), [".fsutil-metadata"]);
});

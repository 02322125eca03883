import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { type StreamPair, streamPair } from "../../testing/message-streams.ts";
import { describeTree, runs, treePaths } from "../../testing/trees.ts";
import { VarveError, isVarveError } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { type ReceiveOptions, type Tree, receiveTree, sendTree } from "./index.ts";
import { GoMode } from "./mode.ts";
import { type Packet, decodePacket, encodePacket } from "./wire/packet.ts";
import { type Stat, emptyStat } from "./wire/stat.ts";

function entry(path: string, rest: Partial<Stat> = {}): Packet {
  return { type: "stat", stat: { ...emptyStat, mode: 0o644, path, ...rest } };
}

function directory(path: string): Packet {
  return entry(path, { mode: GoMode.directory + 0o755 });
}

interface Fixture extends AsyncDisposable {
  readonly path: string;
  readonly to: string;
  readonly outside: string[];
}

async function fixture(): Promise<Fixture> {
  const temporary = await temporaryDirectory();
  const to = join(temporary.path, "to");
  mkdirSync(to);
  mkdirSync(join(temporary.path, "outside"));
  writeFileSync(join(temporary.path, "outside/file"), "untouched");
  return {
    path: temporary.path,
    to,
    outside: describeTree(join(temporary.path, "outside"), { directoryTimes: true }),
    [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose](),
  };
}

/** Receives what a sender sends that sends these packets, whatever it is asked for, and ends. Returns the packets it got. */
async function receive(
  to: string,
  packets: readonly Packet[],
  options: ReceiveOptions = {},
): Promise<{ readonly error: unknown; readonly got: Packet[]; readonly pair: StreamPair }> {
  const pair = streamPair({ record: true });
  const receiving = receiveTree(pair.client, to, { ownership: "process", ...options }).then(
    () => undefined,
    (error: unknown) => error,
  );
  for (const packet of packets) void pair.server.send(encodePacket(packet)).catch(() => undefined);
  await pair.server.closeSend();
  return { error: await receiving, got: pair.sent.client.map((message) => decodePacket(message)), pair };
}

async function refused(to: string, packets: readonly Packet[], options?: ReceiveOptions): Promise<string> {
  const { error, got } = await receive(to, packets, options);
  assert.ok(isVarveError(error), String(error));
  const told = got.at(-1);
  assert.equal(told?.type === "error" ? told.text : undefined, error.message, "the sender is told");
  return error.message;
}

test("listings that are not valid are refused with fsutil's messages", async () => {
  await using made = await fixture();
  const { to } = made;
  assert.equal(await refused(to, [entry("b"), entry("a")]), 'changes out of order: "a" "b"');
  assert.equal(await refused(to, [entry("a/b")]), 'changes out of order: "a/b" ""');
  assert.equal(await refused(to, [entry("a"), entry("a/b")]), 'changes out of order: "a/b" "a"');
  assert.equal(await refused(to, [entry("../x")]), "escape check ../x: invalid argument");
  assert.equal(await refused(to, [entry("/x")]), "absolute path /x: invalid argument");
  assert.equal(await refused(to, [entry("a//b")]), "unclean path a//b: invalid argument");
  assert.equal(await refused(to, [entry(".")]), "unclean path .: invalid argument");
  assert.equal(await refused(to, [entry("l", { linkname: "f" })]), 'invalid link l to unknown path: "f"');
  assert.equal(
    await refused(to, [directory("d"), entry("l", { linkname: "d" })]),
    'invalid link l to unknown path: "d"',
  );
  assert.match(await refused(to, [entry("s", { mode: GoMode.irregular })]), /no type of file for mode 0x80000/);
  assert.match(await refused(to, [{ type: "listed" }, entry("a")]), /after the end of the listing/);
});

test("content that was not requested is refused", async () => {
  await using made = await fixture();
  const data = (id: number, text: string): Packet => ({ type: "data", id, data: Buffer.from(text) });
  assert.equal(await refused(made.to, [entry("a"), data(1, "x")]), "invalid file request 1");
  assert.equal(
    await refused(made.to, [entry("a"), data(0, "x"), data(0, ""), data(0, "y")]),
    "invalid file request 0",
    "it has ended",
  );
  assert.equal(await refused(made.to, [directory("d"), data(0, "x")]), "invalid file request 0");
  const text = await refused(made.to, [entry("b"), data(0, "x".repeat(20))], { limits: { content: 10 } });
  assert.match(text, /more than 10 bytes of content/);
});

test("limits hold for entries, their metadata and their attributes", async () => {
  await using made = await fixture();
  const many = Array.from({ length: 12 }, (_, index) => entry(String.fromCharCode(97 + index)));
  assert.match(await refused(made.to, many, { limits: { entries: 10 } }), /more than 10 entries/);
  assert.match(await refused(made.to, many, { limits: { metadata: 5 } }), /more than 5 bytes of metadata/);
  const xattrs = new Map([["user.x", Buffer.alloc(100)]]);
  assert.match(await refused(made.to, [entry("a", { xattrs })], { limits: { xattrs: 50 } }), /attributes/);
  assert.match(await refused(made.to, [entry("p".repeat(5000))]), /a path has more than 4096 bytes/);
  assert.match(await refused(made.to, [directory("n".repeat(300))]), /ENAMETOOLONG/);
  const linkname = "l".repeat(5000);
  assert.match(await refused(made.to, [entry("l", { mode: GoMode.symlink, linkname })]), /target of a link/);
});

test("a stream that ends early, or a sender that fails, fails the transfer", async () => {
  await using made = await fixture();
  assert.match(await refused(made.to, [entry("a")]), /the stream ended before the transfer/);
  assert.match(await refused(made.to, [{ type: "listed" }]), /the stream ended before the transfer/);
  assert.match(await refused(made.to, [{ type: "finish" }]), /confirmed an end that there was not/);
  const { error, got } = await receive(made.to, [entry("a"), { type: "error", text: "disk on fire" }]);
  assert.equal((error as Error).message, "error from sender: disk on fire");
  assert.ok(
    got.every(({ type }) => type !== "error"),
    "it knows",
  );
  const pair = streamPair();
  const receiving = receiveTree(pair.client, made.to);
  pair.cut(new VarveError("remote", "connection lost"));
  await assert.rejects(receiving, { message: "connection lost" });
});

test("a transfer that is cancelled ends at once, and leaves no file that looks complete", async () => {
  await using made = await fixture();
  const pair = streamPair();
  const cancel = new AbortController();
  const receiving = receiveTree(pair.client, made.to, { ownership: "process", signal: cancel.signal });
  for (const packet of [
    entry("a", { size: 1_000_000n, modTime: 1n }),
    entry("b", { size: 3n, modTime: 1n }),
    { type: "data", id: 0, data: Buffer.alloc(1_000_000) },
    { type: "data", id: 1, data: Buffer.from("abc") },
    { type: "data", id: 1, data: Buffer.alloc(0) },
  ] satisfies Packet[])
    await pair.server.send(encodePacket(packet));
  while (!existsSync(join(made.to, "b"))) await new Promise((resolve) => setImmediate(resolve));
  cancel.abort();
  await assert.rejects(receiving, { code: "cancelled" });
  assert.deepEqual(readdirSync(made.to), ["b"]);
});

test("links in the directory, old or sent, lead nowhere", async () => {
  await using made = await fixture();
  symlinkSync(join(made.path, "outside"), join(made.to, "old"));
  symlinkSync("../outside/file", join(made.to, "file"));
  const content: Packet[] = [
    { type: "data", id: 0, data: Buffer.from("new") },
    { type: "data", id: 0, data: Buffer.alloc(0) },
  ];
  await receive(made.to, [entry("file"), directory("old"), entry("old/file"), { type: "listed" }, ...content]);
  const target = { mode: GoMode.symlink + 0o777, linkname: "../outside" };
  assert.match(await refused(made.to, [entry("link", target), entry("link/file")]), /out of order/);
  assert.equal(readFileSync(join(made.path, "outside/file"), "utf8"), "untouched");
  assert.deepEqual(describeTree(join(made.path, "outside"), { directoryTimes: true }), made.outside);
});

const name = fc.constantFrom("a", "b", "..", ".", "", "/", "outside", "file", "old", "\0", ".varve-0", "x".repeat(260));
const anyPath = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("a", "b", "c", "a/b", "a/b/c", "old", "old/file") },
  { weight: 1, arbitrary: fc.array(name, { maxLength: 3 }).map((parts) => parts.join("/")) },
);
const anyStat = fc.record({
  path: anyPath,
  mode: fc.oneof(
    fc.constantFrom(0o644, 0, GoMode.directory + 0o755, GoMode.directory, GoMode.symlink + 0o777, GoMode.pipe),
    fc.nat(0xffff_ffff),
  ),
  uid: fc.constantFrom(0, 0xffff_ffff),
  size: fc.constantFrom(0n, 1n, -1n, 2n ** 62n),
  modTime: fc.constantFrom(0n, -1n, -(2n ** 63n), 2n ** 63n - 1n),
  linkname: fc.oneof(fc.constant(""), anyPath, fc.constantFrom("../outside/file", "/etc/passwd")),
  devmajor: fc.constantFrom(0n, -1n, 1n),
  xattrs: fc.constantFrom(new Map(), new Map([["user.x", Buffer.of(1)]]), new Map([["", Buffer.of()]])),
});
const anyPacket: fc.Arbitrary<Packet> = fc.oneof(
  {
    weight: 5,
    arbitrary: anyStat.map((stat): Packet => ({ type: "stat", stat: { ...emptyStat, ...stat } })),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({ id: fc.nat(4), size: fc.constantFrom(0, 0, 1, 200_000) })
      .map(({ id, size }): Packet => ({ type: "data", id, data: Buffer.alloc(size) })),
  },
  { weight: 1, arbitrary: fc.constantFrom<Packet>({ type: "listed" }, { type: "finish" }) },
  { weight: 1, arbitrary: fc.constantFrom<Packet>({ type: "request", id: 0 }, { type: "error", text: "x" }) },
);

test("whatever a sender sends, nothing is written outside, and the transfer ends", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyPacket, { maxLength: 15 }), fc.boolean(), async (packets, sorted) => {
      await using made = await fixture();
      symlinkSync("../outside", join(made.to, "old"));
      const paths = (packet: Packet): string => (packet.type === "stat" ? packet.stat.path : "\u{ffff}");
      const sent = sorted ? [...packets].sort((a, b) => (paths(a) < paths(b) ? -1 : 1)) : packets;
      const { error } = await receive(made.to, sent);
      assert.ok(error === undefined || error instanceof VarveError, String(error));
      assert.deepEqual(describeTree(join(made.path, "outside"), { directoryTimes: true }), made.outside);
      assert.deepEqual(readdirSync(made.path).sort(), ["outside", "to"]);
      assert.ok(treePaths(made.to).every((path) => !path.includes(".varve-") || path.endsWith(".varve-0")));
    }),
    { numRuns: runs(150) },
  );
});

/** Sends a tree to a receiver that sends these packets and ends. Returns the sender's error and what it sent. */
async function send(tree: Tree, packets: readonly Packet[]): Promise<{ error: unknown; sent: Packet[] }> {
  const pair = streamPair({ record: true });
  const sending = sendTree(pair.client, tree).then(
    () => undefined,
    (error: unknown) => error,
  );
  void (async () => {
    for await (const _message of pair.server.receive);
  })();
  for (const packet of packets) await pair.server.send(encodePacket(packet));
  await pair.server.closeSend();
  return { error: await sending, sent: pair.sent.client.map((message) => decodePacket(message)) };
}

const oneFile: Tree = {
  entries: () => [
    { ...emptyStat, path: "d", mode: GoMode.directory + 0o755 },
    { ...emptyStat, path: "f", mode: 0o644, size: 1n },
  ],
  // oxlint-disable-next-line require-yield, require-await -- fails before the first piece
  open: async function* () {
    throw new VarveError("storage", "cannot read f");
  },
};

test("a sender refuses what it did not list, and reports what it cannot read", async () => {
  for (const id of [0, 2, 7]) {
    const { error } = await send({ ...oneFile, open: () => undefined }, [{ type: "request", id }]);
    assert.equal((error as Error).message, `invalid file id ${id}`);
  }
  const failed = await send(oneFile, [{ type: "error", text: "no space" }]);
  assert.equal((failed.error as Error).message, "error from receiver: no space");
  const early = await send(oneFile, []);
  assert.match((early.error as Error).message, /the stream ended before the transfer/);
  const pair = streamPair();
  const sending = sendTree(pair.server, oneFile);
  const got: Packet[] = [];
  const reading = (async () => {
    for await (const batch of pair.client.receive)
      for (const message of batch) {
        const packet = decodePacket(message);
        got.push(packet);
        if (packet.type === "listed") await pair.client.send(encodePacket({ type: "request", id: 1 }));
        if (packet.type === "error") return;
      }
  })();
  await assert.rejects(sending, { message: "cannot read f" });
  await reading;
  assert.deepEqual(got.at(-1), { type: "error", text: "cannot read f" });
});

test("a sender stops when it is cancelled, even if nobody reads", async () => {
  const cancel = new AbortController();
  const endless: Tree = {
    *entries() {
      for (let index = 0; ; index += 1) yield { ...emptyStat, path: String(index).padStart(9, "0"), mode: 0o644 };
    },
    open: () => undefined,
  };
  const sending = sendTree(streamPair().server, endless, { signal: cancel.signal });
  setImmediate(() => cancel.abort());
  await assert.rejects(sending, { code: "cancelled" });
});

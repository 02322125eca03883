import assert from "node:assert/strict";
import { test } from "node:test";
import { collectGarbage } from "../../testing/garbage.ts";
import { streamPair } from "../../testing/message-streams.ts";
import { temporaryDirectory } from "../io/index.ts";
import { type Tree, receiveTree, sendTree } from "./index.ts";
import { encodePacket } from "./wire/packet.ts";
import { emptyStat } from "./wire/stat.ts";

/** Bytes of buffers that are in use. The first collection frees buffers on another thread; the second waits for it. */
function liveBuffers(): number {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

const MEBIBYTE = 1_048_576;

test("a large file is never in memory", async () => {
  await using directory = await temporaryDirectory();
  const piece = Buffer.alloc(MEBIBYTE, "x");
  const before = liveBuffers();
  let most = 0;
  const tree: Tree = {
    entries: () => [{ ...emptyStat, path: "f", mode: 0o644 }],
    async *open() {
      for (let sent = 0; sent < 128; sent += 1) {
        if (sent % 32 === 31) most = Math.max(most, liveBuffers());
        yield await Promise.resolve(piece);
      }
    },
  };
  const { client, server } = streamPair();
  await Promise.all([receiveTree(client, directory.path, { ownership: "process" }), sendTree(server, tree)]);
  const used = (most - before) / MEBIBYTE;
  // 8 MiB that wait to be written, 16 messages on their way, and copies of both.
  assert.ok(used > 0 && used < 80, `${used.toFixed(1)} MiB of 128`);
});

test("a sender that sends all files at once, and ends none, fills no memory", async () => {
  await using directory = await temporaryDirectory();
  const before = liveBuffers();
  const { client, server } = streamPair();
  const cancel = new AbortController();
  const options = { ownership: "process", signal: cancel.signal } as const;
  const receiving = receiveTree(client, directory.path, options).catch(() => "cancelled");
  const files = 400;
  for (let id = 0; id < files; id += 1) {
    const path = String(id).padStart(4, "0");
    await server.send(encodePacket({ type: "stat", stat: { ...emptyStat, path, mode: 0o644 } }));
  }
  // Only the first 256 are requested before one of them has ended.
  const data = Buffer.alloc(140_000, "x");
  for (let round = 0; round < 3; round += 1)
    for (let id = 0; id < 256; id += 1) await server.send(encodePacket({ type: "data", id, data }));
  const used = (liveBuffers() - before) / MEBIBYTE;
  cancel.abort();
  assert.equal(await receiving, "cancelled");
  assert.ok(used < 60, `${used.toFixed(1)} MiB of 102`);
});

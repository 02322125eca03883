import assert from "node:assert/strict";
import { test } from "node:test";
import { inspectArchive } from "./empty-archive.ts";

const END = new Uint8Array(1024);
const full = new Uint8Array(1024).fill(1);

async function* chunks(list: readonly Uint8Array[], onEnd?: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* list;
  } finally {
    onEnd?.();
  }
  await Promise.resolve();
}

for (const [what, list, empty] of [
  ["nothing but an end", [END], true],
  ["no bytes", [], false],
  ["an entry", [full, END], false],
  ["zeros that go on", [END, END, full], false],
  ["a long end", [new Uint8Array(10_240)], false],
] as const) {
  test(`${what} is ${empty ? "" : "not "}an empty archive, and no byte is lost`, async () => {
    const seen = await inspectArchive(chunks(list));
    assert.equal(seen.empty, empty);
    assert.deepEqual(Buffer.concat(await Array.fromAsync(seen.tar)), Buffer.concat(list));
  });
}

test("who leaves early lets the archive go", async () => {
  let ended = false;
  const open = async () =>
    await inspectArchive(
      chunks([full, full, full], () => {
        ended = true;
      }),
    );
  for await (const _ of (await open()).tar) break;
  assert.equal(ended, true);
  ended = false;
  {
    await using _unread = await open();
  }
  assert.equal(ended, true);
});

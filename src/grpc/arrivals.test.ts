import assert from "node:assert/strict";
import { PassThrough, Readable } from "node:stream";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Arrivals } from "./arrivals.ts";

const texts = (chunks: readonly Buffer[] | undefined): string[] | undefined => chunks?.map(String);

test("chunks of one turn of the event loop come together, then the end", async () => {
  const stream = new PassThrough();
  using arrivals = new Arrivals(stream);
  const first = arrivals.next();
  for (const text of ["a", "b", "c"]) stream.write(text);
  assert.deepEqual(texts(await first), ["a", "b", "c"]);
  stream.end("d");
  assert.deepEqual(texts(await arrivals.next()), ["d"]);
  assert.equal(await arrivals.next(), undefined);
  assert.equal(await arrivals.next(), undefined);
});

test("what has arrived is there before an error is, and an end without one is an error", async () => {
  for (const [reason, expected] of [
    [new Error("broken"), /broken/],
    [undefined, /destroyed before its end/],
  ] as const) {
    const stream = new PassThrough();
    using arrivals = new Arrivals(stream);
    const first = arrivals.next();
    stream.write("a");
    assert.deepEqual(texts(await first), ["a"]);
    stream.on("error", () => undefined).destroy(reason);
    await assert.rejects(arrivals.next(), expected);
  }
});

test("a sender is held back until its reader reads, and nothing is lost", async () => {
  let produced = 0;
  const stream = new Readable({
    read() {
      produced += 1;
      this.push(produced <= 64 ? Buffer.alloc(65_536) : null);
    },
  });
  const arrivals = new Arrivals(stream);
  let read = (await arrivals.next())?.length ?? 0;
  await setTimeout(20);
  assert.ok(produced < 16, `${produced} chunks were taken`);
  for (let chunks = await arrivals.next(); chunks !== undefined; chunks = await arrivals.next()) read += chunks.length;
  assert.equal(read, 64);
  arrivals[Symbol.dispose]();
});

test("a stream that is left early is not ended", async () => {
  const stream = new PassThrough();
  {
    using arrivals = new Arrivals(stream);
    stream.write("a");
    assert.deepEqual(texts(await arrivals.next()), ["a"]);
  }
  stream.end("b");
  await setTimeout(5);
  assert.equal(stream.destroyed, false);
  assert.equal(String(stream.read()), "b");
});

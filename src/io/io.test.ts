import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { digestOf } from "../core/index.ts";
import { writeFileAtomic } from "./atomic-file.ts";
import { bytesOf, collect, limited, verified } from "./bytes.ts";
import { Semaphore } from "./semaphore.ts";
import { SingleFlight } from "./single-flight.ts";
import { temporaryDirectory } from "./temporary.ts";

const what = { what: "a test" };

test("bytes with the right digest and size pass", async () => {
  const expected = { digest: digestOf("hello"), size: 5 };
  assert.equal(String(await collect(verified(bytesOf("hel", "lo"), expected, what), 100, what)), "hello");
});

test("a wrong digest, too few and too many bytes are corrupt, and no byte past the size is yielded", async () => {
  const read = (text: string, expected: Parameters<typeof verified>[1]): Promise<Buffer> =>
    collect(verified(bytesOf(text), expected, what), 100, what);
  await assert.rejects(read("hellx", { digest: digestOf("hello") }), { code: "corrupt" });
  await assert.rejects(read("hell", { size: 5 }), { code: "corrupt" });
  const passed: Uint8Array[] = [];
  await assert.rejects(
    async () => {
      for await (const chunk of verified(bytesOf("hello", "more"), { size: 5 }, what)) passed.push(chunk);
    },
    { code: "corrupt" },
  );
  assert.equal(String(Buffer.concat(passed)), "hello");
});

test("a limit is the last byte that passes", async () => {
  assert.equal((await collect(limited(bytesOf("12345"), 5, what), 5, what)).length, 5);
  await assert.rejects(collect(bytesOf("123456"), 5, what), { code: "limit-exceeded" });
});

test("one flight serves all callers of a key", async () => {
  const flights = new SingleFlight<string, number>();
  let runs = 0;
  const compute = async (): Promise<number> => {
    runs += 1;
    await sleep(5);
    return runs;
  };
  assert.deepEqual(
    await Promise.all([flights.run("a", compute), flights.run("a", compute), flights.run("b", compute)]),
    [2, 2, 2],
  );
  assert.equal(await flights.run("a", compute), 3);
});

test("a caller that leaves does not affect the others; the last one stops the work", async () => {
  const flights = new SingleFlight<string, string>();
  const stopped = Promise.withResolvers<void>();
  const compute = async (signal: AbortSignal): Promise<string> => {
    signal.addEventListener("abort", () => stopped.resolve());
    await sleep(20);
    return "done";
  };
  const first = new AbortController();
  const gone = flights.run("k", compute, first.signal);
  const stays = flights.run("k", compute);
  first.abort();
  await assert.rejects(gone, { code: "cancelled" });
  assert.equal(await stays, "done");

  const alone = new AbortController();
  const never = flights.run("k", async (signal) => await compute(signal), alone.signal);
  alone.abort();
  await assert.rejects(never, { code: "cancelled" });
  await stopped.promise;
});

test("a failure reaches every caller and is not kept", async () => {
  const flights = new SingleFlight<string, number>();
  const fail = (): Promise<number> => Promise.reject(new Error("no"));
  const results = await Promise.allSettled([flights.run("a", fail), flights.run("a", fail)]);
  assert.deepEqual(
    results.map((result) => result.status),
    ["rejected", "rejected"],
  );
  assert.equal(await flights.run("a", () => Promise.resolve(1)), 1);
});

test("a semaphore lets in so many at once, in order, and forgets who stopped waiting", async () => {
  const semaphore = new Semaphore(2);
  const order: number[] = [];
  let inside = 0;
  let most = 0;
  const work = (n: number) => async (): Promise<void> => {
    order.push(n);
    most = Math.max(most, (inside += 1));
    await sleep(2);
    inside -= 1;
  };
  const waiting = new AbortController();
  const all = [0, 1, 2, 3].map((n) => semaphore.run(work(n)));
  const left = semaphore.run(work(99), waiting.signal);
  waiting.abort();
  await assert.rejects(left, { code: "cancelled" });
  await Promise.all(all);
  assert.deepEqual(order, [0, 1, 2, 3]);
  assert.equal(most, 2);
  await semaphore.run(work(4));
});

test("a file is replaced completely or not at all, and no temporary file remains", async () => {
  await using folder = await temporaryDirectory();
  const path = join(folder.path, "file");
  await writeFileAtomic(path, "one");
  await writeFileAtomic(path, bytesOf("t", "wo"));
  assert.equal(await readFile(path, "utf8"), "two");
  async function* breaks(): AsyncGenerator<Uint8Array> {
    yield* bytesOf("thr");
    throw new Error("broken");
  }
  await assert.rejects(writeFileAtomic(path, breaks()), /broken/);
  assert.equal(await readFile(path, "utf8"), "two");
  assert.deepEqual(await readdir(folder.path), ["file"]);
});

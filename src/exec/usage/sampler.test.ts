import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { Sampler } from "./sampler.ts";

test("samples are taken until the sampler is closed, and once more then", async () => {
  let count = 0;
  const reached = Promise.withResolvers<void>();
  const sample = (): number => {
    count += 1;
    if (count === 4) reached.resolve();
    return count;
  };
  using sampler = new Sampler({ sample, interval: 1, most: 2 });
  // Its timer does not keep the process alive.
  const alive = setInterval(() => undefined, 1000);
  await reached.promise;
  clearInterval(alive);
  const samples = sampler.close();
  assert.deepEqual(
    samples,
    Array.from({ length: samples.length }, (_, at) => at + 1),
  );
  assert.ok(samples.length >= 5);
  await sleep(20);
  assert.equal(sampler.close().length, samples.length);
  assert.equal(count, samples.length);
});

test("a sampler that is only disposed of takes no last sample", () => {
  let count = 0;
  const sampler = new Sampler({ sample: () => (count += 1), most: 10 });
  sampler[Symbol.dispose]();
  assert.deepEqual(sampler.close(), []);
  assert.equal(count, 0);
});

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { releaseIdleMemory } from "./idle-memory.ts";

const INTERVAL = 20;
const MEBIBYTE = 1_048_576;

/** Makes this much garbage that V8 does not know to be garbage before it looks. */
function makeGarbage(mebibytes: number): void {
  const kept: Buffer[] = [];
  for (let count = 0; count < mebibytes; count += 1) kept.push(Buffer.alloc(MEBIBYTE, "x"));
}

suite("memory of a server that does nothing", () => {
  test("is released once, and again after more work", async () => {
    const releases: number[] = [];
    let released = Promise.withResolvers<number>();
    const onRelease = (resident: number): void => {
      releases.push(resident);
      released.resolve(resident);
    };
    using _releasing = releaseIdleMemory({ interval: INTERVAL, onRelease });
    for (const round of [1, 2]) {
      makeGarbage(128);
      const before = process.memoryUsage.rss();
      // The timer of the release does not keep the process alive.
      const alive = setInterval(() => undefined, 1000);
      const resident = await released.promise;
      clearInterval(alive);
      assert.ok(resident < before, `${before} bytes became ${resident}`);
      assert.equal(releases.length, round);
      released = Promise.withResolvers<number>();
    }
  });

  test("stays if there is little", async () => {
    let count = 0;
    using _releasing = releaseIdleMemory({
      interval: 1,
      floor: Number.MAX_SAFE_INTEGER,
      onRelease: () => (count += 1),
    });
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(count, 0);
  });
});

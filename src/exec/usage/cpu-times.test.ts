import assert from "node:assert/strict";
import { test } from "node:test";
import { cpuTimes, cpuTimesBetween } from "./cpu-times.ts";

const NONE = { nice: 0, system: 0, idle: 0, iowait: 0, irq: 0, softirq: 0, steal: 0, guest: 0, guestNice: 0 };

test("times of the machine are in seconds", () => {
  assert.deepEqual(cpuTimes("cpu  150 0 0 0 0 0 0 0 0 0\ncpu0 1 2 3 4\nintr 5\n"), { ...NONE, user: 1.5 });
  assert.equal(cpuTimes("nothing\n"), undefined);
});

test("the time between two moments is exact to the kernel's unit", () => {
  assert.deepEqual(cpuTimesBetween({ ...NONE, user: 0.1 }, { ...NONE, user: 0.3, idle: 0.07 }), {
    ...NONE,
    user: 0.2,
    idle: 0.07,
  });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { systemUsage } from "./system-usage.ts";

const PROC: Readonly<Record<string, string>> = {
  stat: "cpu  139358 28081 66501 41413 999 0 723 5467 0 0\ncpu0 1 2 3 4\nctxt 7394556\nprocesses 61295\nprocs_running 20\n",
  meminfo: `MemTotal:       24683656 kB
MemFree:        17563420 kB
MemAvailable:   23336148 kB
Buffers:          353596 kB
Cached:          5246924 kB
Active:          1921696 kB
Inactive:        4363584 kB
SwapTotal:             0 kB
Dirty:               628 kB
Writeback:             0 kB
Slab:             593468 kB
`,
  "pressure/cpu":
    "some avg10=98.04 avg60=94.67 avg300=87.46 total=1014397952\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
};

test("a sample has what BuildKit's has, in its units", () => {
  const sample = systemUsage((name) => PROC[name] ?? "", new Date(0)) as Record<string, unknown>;
  assert.deepEqual(sample, {
    timestamp: "1970-01-01T00:00:00.000Z",
    cpuStat: {
      user: 1393.58,
      nice: 280.81,
      system: 665.01,
      idle: 414.13,
      iowait: 9.99,
      irq: 0,
      softirq: 7.23,
      steal: 54.67,
      guest: 0,
      guestNice: 0,
    },
    procStat: { contextSwitches: 7_394_556, processCreated: 61_295, processesRunning: 20 },
    memoryStat: {
      total: 24_683_656,
      free: 17_563_420,
      available: 23_336_148,
      buffers: 353_596,
      cached: 5_246_924,
      active: 1_921_696,
      inactive: 4_363_584,
      swap: 0,
      dirty: 628,
      writeback: 0,
      slab: 593_468,
    },
    cpuPressure: {
      some: { avg10: 98.04, avg60: 94.67, avg300: 87.46, total: 1_014_397_952 },
      full: { avg10: 0, avg60: 0, avg300: 0, total: 0 },
    },
    memoryPressure: undefined,
    ioPressure: undefined,
  });
});

test("a kernel that tells nothing gives times only", () => {
  assert.deepEqual(JSON.parse(JSON.stringify(systemUsage(() => "", new Date(0)))), {
    timestamp: "1970-01-01T00:00:00.000Z",
  });
});

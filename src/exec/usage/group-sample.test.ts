import assert from "node:assert/strict";
import { mkdirSync, rmdirSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { posix } from "node:path";
import { test } from "node:test";
import { readCgroupLayout } from "../cgroup/layout.ts";
import { groupSample } from "./group-sample.ts";

/** What a group of version 2 has after a step: Linux 6.1 with all controllers. */
const UNIFIED: Readonly<Record<string, string>> = {
  "cpu.stat":
    "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 3\nnr_throttled 1\nthrottled_usec 20\nnr_bursts 0\nburst_usec 0\n",
  "cpu.pressure":
    "some avg10=1.50 avg60=0.00 avg300=0.00 total=700\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=600\n",
  "memory.stat":
    "anon 4096\nfile 8192\nkernel 500\nkernel_stack 16\npagetables 12\nsock 0\nvmalloc 0\nshmem 0\nfile_mapped 1\nfile_dirty 2\nfile_writeback 3\nslab 4\npgscan 5\npgsteal 6\npgfault 7\npgmajfault 8\nthp_fault_alloc 0\n",
  "memory.swap.current": "0\n",
  "memory.peak": "12288\n",
  "memory.events": "low 0\nhigh 0\nmax 2\noom 1\noom_kill 1\noom_group_kill 0\n",
  "io.stat":
    "254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n7:0 \n8:0 rbytes=1 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n",
  "pids.current": "0\n",
};

const group = { version: 2, path: "/g" } as const;

test("a group of version 2 has what BuildKit's sample has, in its units", () => {
  const sample = groupSample(group, (path) => UNIFIED[path.slice("/g/".length)] ?? "", new Date(0));
  assert.deepEqual(sample, {
    timestamp: "1970-01-01T00:00:00.000Z",
    cpuStat: {
      usageNanos: 1_500_000,
      userNanos: 1_000_000,
      systemNanos: 500_000,
      nrPeriods: 3,
      nrThrottled: 1,
      throttledNanos: 20_000,
      pressure: {
        some: { avg10: 1.5, avg60: 0, avg300: 0, total: 700 },
        full: { avg10: 0, avg60: 0, avg300: 0, total: 600 },
      },
    },
    memoryStat: {
      swapBytes: 0,
      anon: 4096,
      file: 8192,
      kernel: 500,
      kernelStack: 16,
      pageTables: 12,
      sock: 0,
      vmalloc: 0,
      shmem: 0,
      fileMapped: 1,
      fileDirty: 2,
      fileWriteback: 3,
      slab: 4,
      pgscan: 5,
      pgsteal: 6,
      pgfault: 7,
      pgmajfault: 8,
      peak: 12_288,
      maxEvents: 2,
      oomEvents: 1,
      oomKillEvents: 1,
    },
    ioStat: { readBytes: 4097, writeBytes: 8192, discardBytes: 0, readIOs: 2, writeIOs: 2, discardIOs: 0 },
    pidsStat: { current: 0 },
  });
});

test("a part is absent if its controller is", () => {
  const sample = groupSample(group, (path) => (path === "/g/cpu.stat" ? "usage_usec 1\n" : ""), new Date(0));
  assert.deepEqual(JSON.parse(JSON.stringify(sample)), {
    timestamp: "1970-01-01T00:00:00.000Z",
    cpuStat: { usageNanos: 1000 },
  });
});

test("groups of version 1 have the same names for what they count", () => {
  const files: Readonly<Record<string, string>> = {
    "/c/cpuacct.usage": "1500000\n",
    "/c/cpuacct.stat": "user 3\nsystem 2\n",
    "/m/memory.stat": "cache 1\nrss 2\ntotal_cache 8192\ntotal_rss 4096\ntotal_pgfault 7\n",
    "/m/memory.max_usage_in_bytes": "12288\n",
    "/b/blkio.throttle.io_service_bytes_recursive":
      "254:0 Read 4096\n254:0 Write 1\n254:0 Sync 9\n8:0 Read 1\nTotal 4098\n",
    "/b/blkio.throttle.io_serviced_recursive": "254:0 Read 1\n254:0 Write 1\nTotal 2\n",
    "/p/pids.current": "4\n",
  };
  const paths = new Map(Object.entries({ cpuacct: "/c", memory: "/m", blkio: "/b", pids: "/p" }));
  const sample = groupSample({ version: 1, paths }, (path) => files[path] ?? "", new Date(0));
  assert.deepEqual(sample, {
    timestamp: "1970-01-01T00:00:00.000Z",
    cpuStat: { usageNanos: 1_500_000, userNanos: 30_000_000, systemNanos: 20_000_000 },
    memoryStat: { anon: 4096, file: 8192, pgfault: 7, peak: 12_288 },
    ioStat: { readBytes: 4097, writeBytes: 1, discardBytes: 0, readIOs: 1, writeIOs: 1, discardIOs: 0 },
    pidsStat: { current: 4 },
  });
});

const unified = readCgroupLayout().hierarchies.find(({ version }) => version === 2);

test("a real group of version 2 counts the time of its processes", { skip: unified === undefined }, (t) => {
  assert.ok(unified !== undefined);
  const path = posix.join(unified.own, `varve-usage-${process.pid}`);
  try {
    mkdirSync(path);
  } catch (error) {
    return t.skip(`cannot make a control group: ${String(error)}`);
  }
  try {
    const script = `echo 0 > ${path}/cgroup.procs; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done`;
    assert.equal(spawnSync("sh", ["-c", script]).status, 0);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of the shape that the tests above show
    const { cpuStat } = groupSample({ version: 2, path }) as { cpuStat: { usageNanos: number } };
    assert.ok(cpuStat.usageNanos > 0);
  } finally {
    rmdirSync(path);
  }
});

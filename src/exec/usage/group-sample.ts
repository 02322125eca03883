import { posix } from "node:path";
import type { OrderedJson } from "../../core/index.ts";
import { readText } from "../../linux/index.ts";
import { type Pressure, linesOf, pairsOf, pressureOf } from "./kernel-text.ts";

type Numbers = Readonly<Record<string, number>>;
/** A part of a sample; undefined if the group has no such controller. */
type Part = Readonly<Record<string, number | Pressure>> | undefined;
type Parts = Readonly<Record<"cpuStat" | "memoryStat" | "ioStat" | "pidsStat", Part>>;

/** Where a step's numbers are. */
export type MeasuredGroups =
  /** The directory of a group of version 2. */
  | { readonly version: 2; readonly path: string }
  /** The directories of groups of version 1, by controller. */
  | { readonly version: 1; readonly paths: ReadonlyMap<string, string> };

/** The controllers of version 1 whose groups have numbers. */
export const MEASURING = ["cpuacct", "memory", "blkio", "pids"] as const;

type Rename = readonly (readonly [name: string, key: string])[];

const CPU: Rename = [
  ["usageNanos", "usage_usec"],
  ["userNanos", "user_usec"],
  ["systemNanos", "system_usec"],
];
const PERIODS: Rename = [
  ["nrPeriods", "nr_periods"],
  ["nrThrottled", "nr_throttled"],
];
const MEMORY: Rename = [
  ["anon", "anon"],
  ["file", "file"],
  ["kernel", "kernel"],
  ["kernelStack", "kernel_stack"],
  ["pageTables", "pagetables"],
  ["sock", "sock"],
  ["vmalloc", "vmalloc"],
  ["shmem", "shmem"],
  ["fileMapped", "file_mapped"],
  ["fileDirty", "file_dirty"],
  ["fileWriteback", "file_writeback"],
  ["slab", "slab"],
  ["pgscan", "pgscan"],
  ["pgsteal", "pgsteal"],
  ["pgfault", "pgfault"],
  ["pgmajfault", "pgmajfault"],
];
/** Of groups of version 1: what they and the groups below them have. */
const OLD_MEMORY: Rename = [
  ["anon", "total_rss"],
  ["file", "total_cache"],
  ["shmem", "total_shmem"],
  ["fileMapped", "total_mapped_file"],
  ["fileDirty", "total_dirty"],
  ["fileWriteback", "total_writeback"],
  ["pgfault", "total_pgfault"],
  ["pgmajfault", "total_pgmajfault"],
];
const EVENTS: Rename = [
  ["lowEvents", "low"],
  ["highEvents", "high"],
  ["maxEvents", "max"],
  ["oomEvents", "oom"],
  ["oomKillEvents", "oom_kill"],
];
const IO: Rename = [
  ["readBytes", "rbytes"],
  ["writeBytes", "wbytes"],
  ["discardBytes", "dbytes"],
  ["readIOs", "rios"],
  ["writeIOs", "wios"],
  ["discardIOs", "dios"],
];
const NANOS_PER_MICRO = 1000;
/** The unit of `cpuacct.stat`: 1/100 s. */
const NANOS_PER_TICK = 10_000_000;

/**
 * Returns what the processes of a step have used until now. The names are those of BuildKit's provenance (`resourceUsage`), in its order;
 * times are in nanoseconds, sizes in bytes. `read` reads a file of the kernel, and returns nothing if there is none.
 */
export function groupSample(
  groups: MeasuredGroups,
  read: (path: string) => string = readText,
  now: Date = new Date(),
): OrderedJson {
  const parts = groups.version === 2 ? unifiedParts(groups.path, read) : oldParts(groups.paths, read);
  return { timestamp: now.toISOString(), ...parts };
}

/** Documentation/admin-guide/cgroup-v2.rst of Linux. */
function unifiedParts(path: string, read: (path: string) => string): Parts {
  const text = (file: string): string => read(posix.join(path, file));
  const pressure = (name: string): { pressure?: Pressure } => {
    const found = pressureOf(text(`${name}.pressure`));
    return found === undefined ? {} : { pressure: found };
  };
  const [cpu, memory, io] = [text("cpu.stat"), text("memory.stat"), text("io.stat")];
  return {
    cpuStat: partOf(cpu, () => ({
      ...scaled(renamed(cpu, CPU), NANOS_PER_MICRO),
      ...renamed(cpu, PERIODS),
      ...scaled(renamed(cpu, [["throttledNanos", "throttled_usec"]]), NANOS_PER_MICRO),
      ...pressure("cpu"),
    })),
    memoryStat: partOf(memory, () => ({
      ...single("swapBytes", text("memory.swap.current")),
      ...renamed(memory, MEMORY),
      ...single("peak", text("memory.peak")),
      ...withoutZeros(renamed(text("memory.events"), EVENTS)),
      ...pressure("memory"),
    })),
    ioStat: partOf(io, () => ({ ...ioTotals(io), ...pressure("io") })),
    pidsStat: pidsOf(text("pids.current")),
  };
}

/** Documentation/admin-guide/cgroup-v1 of Linux: cpuacct.rst, memory.rst, blkio-controller.rst, pids.rst. */
function oldParts(paths: ReadonlyMap<string, string>, read: (path: string) => string): Parts {
  const text = (controller: (typeof MEASURING)[number], file: string): string => {
    const path = paths.get(controller);
    return path === undefined ? "" : read(posix.join(path, file));
  };
  const usage = text("cpuacct", "cpuacct.usage");
  const times = text("cpuacct", "cpuacct.stat");
  const memory = text("memory", "memory.stat");
  const bytes = text("blkio", "blkio.throttle.io_service_bytes_recursive");
  const requests = text("blkio", "blkio.throttle.io_serviced_recursive");
  return {
    cpuStat: partOf(usage, () => ({
      ...single("usageNanos", usage),
      ...scaled(
        renamed(times, [
          ["userNanos", "user"],
          ["systemNanos", "system"],
        ]),
        NANOS_PER_TICK,
      ),
    })),
    memoryStat: partOf(memory, () => ({
      ...renamed(memory, OLD_MEMORY),
      ...single("peak", text("memory", "memory.max_usage_in_bytes")),
    })),
    ioStat: partOf(bytes, () => ({
      ...oldIo(bytes, ["readBytes", "writeBytes", "discardBytes"]),
      ...oldIo(requests, ["readIOs", "writeIOs", "discardIOs"]),
    })),
    pidsStat: pidsOf(text("pids", "pids.current")),
  };
}

function partOf(text: string, part: () => Part): Part {
  return text === "" ? undefined : part();
}

function pidsOf(text: string): Part {
  return partOf(text, () => single("current", text));
}

/** Returns the numbers that a text of lines `key number` has, by their new names and in their order. */
function renamed(text: string, names: Rename): Numbers {
  const lines = linesOf(text);
  return Object.fromEntries(
    names.flatMap(([name, key]) => {
      const value = lines.get(key)?.[0];
      return value === undefined ? [] : [[name, Number(value)]];
    }),
  );
}

function single(name: string, text: string): Numbers {
  return /^\d+\n?$/.test(text) ? { [name]: Number(text) } : {};
}

function scaled(numbers: Numbers, by: number): Numbers {
  return Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, value * by]));
}

/** BuildKit leaves out events that have not happened. */
function withoutZeros(numbers: Numbers): Numbers {
  return Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== 0));
}

/** Adds up lines such as `254:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`, one for each device. */
function ioTotals(text: string): Numbers {
  const devices = [...linesOf(text).values()].map(pairsOf);
  return Object.fromEntries(
    IO.flatMap(([name, key]) => {
      const values = devices.flatMap((device) => device[key] ?? []);
      return values.length === 0 ? [] : [[name, values.reduce((sum, value) => sum + value, 0)]];
    }),
  );
}

/** Adds up lines such as `254:0 Read 4096`, one for each device and kind. */
function oldIo(text: string, names: readonly [read: string, write: string, discard: string]): Numbers {
  const lines = text.split("\n").map((line) => line.split(" "));
  return Object.fromEntries(
    (["Read", "Write", "Discard"] as const).map((kind, at) => {
      const values = lines.filter(([, found]) => found === kind).map(([, , value]) => Number(value));
      return [names[at] ?? "", values.reduce((sum, value) => sum + value, 0)];
    }),
  );
}

import type { OrderedJson } from "../../core/index.ts";
import { cpuTimes, linesOf, pressureOf } from "../../exec/index.ts";
import { readText } from "../../linux/index.ts";

/** After so many samples the time between two is doubled. */
export const MAX_SAMPLES = 20;
const PROCESSES = [
  ["contextSwitches", "ctxt"],
  ["processCreated", "processes"],
  ["processesRunning", "procs_running"],
] as const;
/** In KiB. */
const MEMORY = [
  ["total", "MemTotal"],
  ["free", "MemFree"],
  ["available", "MemAvailable"],
  ["buffers", "Buffers"],
  ["cached", "Cached"],
  ["active", "Active"],
  ["inactive", "Inactive"],
  ["swap", "SwapTotal"],
  ["dirty", "Dirty"],
  ["writeback", "Writeback"],
  ["slab", "Slab"],
] as const;
const PRESSURES = [
  ["cpuPressure", "cpu"],
  ["memoryPressure", "memory"],
  ["ioPressure", "io"],
] as const;

/**
 * Returns a sample of what this machine uses, as BuildKit's `sysUsage` has them. What the kernel does not tell is absent. `read` reads a
 * file below `/proc`.
 */
export function systemUsage(
  read: (name: string) => string = (name) => readText(`/proc/${name}`),
  now: Date = new Date(),
): OrderedJson {
  const stat = linesOf(read("stat"));
  const memory = linesOf(read("meminfo"));
  const number = (lines: ReadonlyMap<string, readonly string[]>, key: string): number =>
    Number(lines.get(key)?.[0] ?? 0);
  return {
    timestamp: now.toISOString(),
    cpuStat: cpuTimes(read("stat")),
    procStat:
      stat.size === 0 ? undefined : Object.fromEntries(PROCESSES.map(([name, key]) => [name, number(stat, key)])),
    memoryStat:
      memory.size === 0
        ? undefined
        : Object.fromEntries(MEMORY.map(([name, key]) => [name, number(memory, `${key}:`)])),
    ...Object.fromEntries(
      PRESSURES.map(([name, key]): [string, OrderedJson] => [name, pressureOf(read(`pressure/${key}`))]),
    ),
  };
}

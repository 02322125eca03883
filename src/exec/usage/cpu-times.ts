import { readText } from "../../linux/index.ts";
import { linesOf } from "./kernel-text.ts";

/** Seconds of processor time of the whole machine, by what it was used for. The names are BuildKit's, in the order of proc_stat(5). */
export type CpuTimes = Readonly<Record<(typeof NAMES)[number], number>>;

const NAMES = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guestNice"] as const;
/** The unit of times in `/proc/stat`: 1/100 s on every platform of Linux. */
const TICKS = 100;

/** Returns the processor time since the machine started; undefined where the kernel does not tell. */
export function cpuTimes(stat: string = readText("/proc/stat")): CpuTimes | undefined {
  const cpu = linesOf(stat).get("cpu");
  return cpu && timesOf((_, at) => Number(cpu[at] ?? 0));
}

/** Returns the processor time between two moments. */
export function cpuTimesBetween(before: CpuTimes, after: CpuTimes): CpuTimes {
  return timesOf((name) => Math.round((after[name] - before[name]) * TICKS));
}

function timesOf(ticks: (name: keyof CpuTimes, at: number) => number): CpuTimes {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- one entry for each name
  return Object.fromEntries(NAMES.map((name, at) => [name, ticks(name, at) / TICKS])) as CpuTimes;
}

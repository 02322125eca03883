import { readFileSync } from "node:fs";
import type { OrderedJson } from "../../core/index.ts";

/** Time between two samples, in milliseconds. */
const INTERVAL = 2_000;
/** After so many samples the time between two is doubled, so that long builds have few. */
const MAX_SAMPLES = 20;
/** The unit of times in `/proc/stat`: 1/100 s on every platform of Linux. */
const TICKS = 100;
const CPU = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guestNice"];
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

/** Samples what this machine uses while a build runs. */
export class SystemUsage implements Disposable {
  readonly #samples: OrderedJson[] = [];
  #interval = INTERVAL;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor() {
    this.#schedule();
  }

  /** Takes a last sample, and no more. Returns all samples as BuildKit's `sysUsage`. Later calls return the same. */
  close(): readonly OrderedJson[] {
    if (!this.#isClosed) this.#samples.push(systemUsage());
    this[Symbol.dispose]();
    return this.#samples;
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      this.#samples.push(systemUsage());
      if (this.#samples.length % MAX_SAMPLES === 0) this.#interval *= 2;
      this.#schedule();
    }, this.#interval);
    this.#timer.unref();
  }
}

/** Returns a sample of what this machine uses. What the kernel does not tell is absent. `read` reads a file below `/proc`. */
export function systemUsage(read: (name: string) => string = readProc, now: Date = new Date()): OrderedJson {
  const stat = linesOf(read("stat"));
  const memory = linesOf(read("meminfo"));
  const number = (lines: ReadonlyMap<string, readonly string[]>, key: string): number =>
    Number(lines.get(key)?.[0] ?? 0);
  const cpu = stat.get("cpu");
  return {
    timestamp: now.toISOString(),
    cpuStat: cpu && Object.fromEntries(CPU.map((name, at) => [name, Number(cpu[at] ?? 0) / TICKS])),
    procStat:
      stat.size === 0 ? undefined : Object.fromEntries(PROCESSES.map(([name, key]) => [name, number(stat, key)])),
    memoryStat:
      memory.size === 0
        ? undefined
        : Object.fromEntries(MEMORY.map(([name, key]) => [name, number(memory, `${key}:`)])),
    ...Object.fromEntries(PRESSURES.map(([name, key]) => [name, pressureOf(linesOf(read(`pressure/${key}`)))])),
  };
}

/** `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same for `full`. */
function pressureOf(lines: ReadonlyMap<string, readonly string[]>): OrderedJson {
  if (lines.size === 0) return undefined;
  const values = (key: string): OrderedJson =>
    Object.fromEntries(
      (lines.get(key) ?? []).map((pair) => [pair.split("=")[0] ?? "", Number(pair.split("=")[1] ?? 0)]),
    );
  return { some: values("some"), full: values("full") };
}

/** The words of each line, by the first. */
function linesOf(text: string): ReadonlyMap<string, readonly string[]> {
  const lines = text.split("\n").map((line) => line.trim().split(/\s+/));
  return new Map(lines.flatMap(([first = "", ...rest]) => (first === "" ? [] : [[first, rest]])));
}

/** Kernels may lack a file, or be told to hide it. */
function readProc(name: string): string {
  try {
    return readFileSync(`/proc/${name}`, "latin1");
  } catch {
    return "";
  }
}

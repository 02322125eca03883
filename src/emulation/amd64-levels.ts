import { readFileSync } from "node:fs";

/** What processors of each level have beyond those of the level below, as /proc/cpuinfo names it: the x86-64 psABI. */
const LEVELS: readonly (readonly string[])[] = [
  ["cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"],
  ["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"],
  ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"],
];

/** Returns the level of this machine's x86-64 processor: 1 to 4. */
export function amd64Level(cpuinfo: string = readCpuinfo()): number {
  const flags = new Set(/^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.trim().split(/\s+/));
  const missing = LEVELS.findIndex((needed) => !needed.every((flag) => flags.has(flag)));
  return 1 + (missing < 0 ? LEVELS.length : missing);
}

function readCpuinfo(): string {
  try {
    return readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return "";
  }
}

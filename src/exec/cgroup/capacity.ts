import { readText } from "../../linux/index.ts";
import { availableParallelism } from "node:os";
import { posix } from "node:path";
import { type CgroupHierarchy, readCgroupLayout } from "./layout.ts";

/** What is left for steps. `Infinity`: no limit is known. */
export interface Remaining {
  /** Bytes. */
  readonly memory: number;
  readonly processes: number;
  readonly files: number;
}

/** What the smallest useful step takes: a runtime, a shell and a program, and their pipes. */
const STEP: Remaining = { memory: 16 * 2 ** 20, processes: 16, files: 16 };
/** More steps at once would only make each other wait. */
const MAX_STEPS = 512;

/**
 * Returns how many steps may run at the same time so that memory, processes and file descriptors do not run out before any step
 * does something useful. At least the number of processors. It does not know what steps will need: users can set a lower limit.
 */
export function stepCapacity({ memory, processes, files }: Remaining = remaining()): number {
  const fitting = Math.min(memory / STEP.memory, processes / STEP.processes, files / STEP.files);
  return Math.max(availableParallelism(), Math.min(MAX_STEPS, Math.floor(fitting)));
}

function remaining(): Remaining {
  return { memory: process.availableMemory(), processes: remainingProcesses(), files: openFilesLimit() };
}

/** The least of what the kernel, this process's control group and the groups above it allow. */
export function remainingProcesses(
  hierarchies: readonly CgroupHierarchy[] = readCgroupLayout().hierarchies,
  read: (path: string) => string = readText,
): number {
  const ofGroups = hierarchies
    .filter(({ version, controllers }) => version === 2 || controllers.includes("pids"))
    .flatMap(({ own, mountPoint }) => ancestors(own, mountPoint))
    .map((path) => numberOf(read(`${path}/pids.max`)) - Number(read(`${path}/pids.current`)));
  return Math.min(numberOf(read("/proc/sys/kernel/pid_max")), ...ofGroups);
}

/** A directory of a hierarchy and those above it, up to the mount point. */
function ancestors(own: string, mountPoint: string): string[] {
  const above: string[] = [own];
  for (let here = own; here !== mountPoint && here !== "/";) above.push((here = posix.dirname(here)));
  return above;
}

function openFilesLimit(): number {
  return numberOf(/^Max open files\s+(\S+)/m.exec(readText("/proc/self/limits"))?.[1]);
}

/** "max", "unlimited" and what is missing are no limit. */
function numberOf(text = ""): number {
  return /^\d+\s*$/.test(text) ? Number(text) : Infinity;
}

import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** What a server holds while it runs. */
export interface HeldByServer {
  readonly sockets: number;
  /** Mount points that it sees. */
  readonly mounts: readonly string[];
  /** Entries of the directories of its root that contain what running builds need. */
  readonly files: readonly string[];
}

const TEMPORARY = ["run", "tmp", "mounts"];

/** Returns what a server holds, from what the kernel says of its process. */
export function heldBy(pid: number, root: string): HeldByServer {
  return {
    sockets: descriptorsOf(pid).filter((target) => target.startsWith("socket:")).length,
    mounts: readFileSync(`/proc/${pid}/mountinfo`, "utf8")
      .split("\n")
      .flatMap((line) => line.split(" ")[4] ?? [])
      .toSorted(),
    files: TEMPORARY.flatMap((name) => entriesOf(join(root, name)).map((entry) => `${name}/${entry}`)).toSorted(),
  };
}

/** What a process has open: paths, and names such as `pipe:[123]`. */
export function descriptorsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

/** Resident memory of a process in bytes. */
export function residentMemory(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}

/** The most resident memory that a process has had, in bytes; 0 if it has ended. */
export function peakMemoryOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Memory of a process in bytes. */
export interface ProcessMemory {
  readonly resident: number;
  /** What has no file behind it: heaps, stacks, changed pages. */
  readonly own: number;
}

export function memoryOf(pid: number): ProcessMemory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const own = Number(/^Private_Dirty:\s+(\d+) kB$/m.exec(rollup)?.[1]) * 1024;
  return { resident: residentMemory(pid), own };
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

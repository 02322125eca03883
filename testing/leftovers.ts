import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readCgroupLayout } from "../src/exec/cgroup/layout.ts";

/** What steps have left behind: everything of this machine that mentions one of the marks. */
export interface Leftovers {
  /** Command lines. */
  readonly processes: readonly string[];
  /** Lines of this process's mount table. */
  readonly mounts: readonly string[];
  readonly cgroups: readonly string[];
  /** Entries of the state directory, but for the runner's own. */
  readonly files: readonly string[];
}

export const NOTHING_LEFT: Leftovers = { processes: [], mounts: [], cgroups: [], files: [] };

export interface LeftoverQuery {
  /** Texts that stand in an argument, an environment or a mount of what a test has started. */
  readonly marks: readonly string[];
  readonly stateDir: string;
  /** The process that has run the steps. */
  readonly pid: number;
}

export function findLeftovers({ marks, stateDir, pid }: LeftoverQuery): Leftovers {
  return {
    processes: processesWith(marks),
    mounts: readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((line) => marks.some((mark) => line.includes(mark))),
    cgroups: readCgroupLayout().hierarchies.flatMap(({ own, mountPoint }) =>
      [...new Set([own, mountPoint])].flatMap((directory) =>
        readdirSync(directory)
          .filter((name) => name.startsWith(`varve-${pid}-`) || name === `varve-test-${pid}`)
          .map((name) => join(directory, name)),
      ),
    ),
    files: filesOf(stateDir),
  };
}

/** Waits until nothing is left, at most five seconds: the kernel, or a server whose client has gone, may still be at work. */
export async function waitForNothing(query: LeftoverQuery): Promise<Leftovers> {
  for (let attempt = 0; attempt < 250; attempt += 1) {
    const left: readonly (readonly string[])[] = Object.values(findLeftovers(query));
    if (left.every((each) => each.length === 0)) break;
    await sleep(20);
  }
  return findLeftovers(query);
}

function processesWith(marks: readonly string[]): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "latin1");
        const environment = readFileSync(`/proc/${pid}/environ`, "latin1");
        return marks.some((mark) => command.includes(mark) || environment.includes(mark))
          ? [`${pid} ${command.replaceAll("\0", " ")}`]
          : [];
      } catch {
        return [];
      }
    });
}

function filesOf(stateDir: string): string[] {
  if (!existsSync(stateDir)) return [];
  return readdirSync(stateDir, { recursive: true, encoding: "utf8" }).filter(
    (path) => !/^(?:lock|source-\d+\.lock|seccomp-[0-9a-f]+\.bpf|\d+-[0-9a-f]{12}(?:\/lock)?)$/.test(path),
  );
}

/** Ids of a process's children, of their children, and so on down to `depth`. */
export function descendantsOf(pid: number, { depth = Infinity }: { readonly depth?: number } = {}): number[] {
  const children = readdirSync("/proc")
    .map(Number)
    .filter((child) => !Number.isNaN(child) && parentOf(child) === pid);
  return depth > 1 ? children.flatMap((child) => [child, ...descendantsOf(child, { depth: depth - 1 })]) : children;
}

/** Waits until none of the processes exists. */
export async function waitUntilGone(pids: readonly number[]): Promise<void> {
  while (pids.some((pid) => parentOf(pid) !== undefined)) await sleep(10);
}

/** Returns undefined if the process is gone. */
function parentOf(pid: number): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(status.slice(status.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}

/** Ids of the processes that have `mark` in their environment. */
export function processesOf(mark: string): string[] {
  return readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/environ`, "latin1").includes(mark);
    } catch {
      return false;
    }
  });
}

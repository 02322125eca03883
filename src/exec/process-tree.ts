import { readFileSync, readdirSync, readlinkSync } from "node:fs";

/** Returns the id of a process's first child, or undefined. */
export function childOf(pid: number): number | undefined {
  return childrenOf(pid)[0];
}

/** Returns the ids of the children of all threads of a process. Some kernels do not list children, so `/proc` is searched there. */
export function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((candidate) => parentOf(candidate) === pid);
  }
}

export function parentOf(pid: number): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the command's name in parentheses, which may contain any characters: proc(5).
    return Number(status.slice(status.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}

/** False if a process has ended or is ending: the kernel takes away its memory before it ends what depends on the process. */
export function isRunning(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`) !== "";
  } catch {
    return false;
  }
}

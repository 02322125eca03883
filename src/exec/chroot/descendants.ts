import { type BigIntStats, readdirSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parentOf } from "../process-tree.ts";

/** Returns the descendants of a process, those that have ended and are not waited for included. */
export function descendantsOf(ancestor: number): number[] {
  const children = new Map<number, number[]>();
  for (const pid of processes()) {
    const parent = parentOf(pid);
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const found: number[] = [];
  const pending = [ancestor];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const below = children.get(next) ?? [];
    found.push(...below);
    pending.push(...below);
  }
  return found;
}

/** Stops all of them before any is killed, so that none has the time to make another. */
export function killAll(pids: readonly number[]): void {
  for (const signal of ["SIGSTOP", "SIGKILL"] as const) for (const pid of pids) kill(pid, signal);
}

/** Milliseconds between two looks for processes that are ending. */
const INTERVAL = 5;
const ROUNDS = 400;

/** Kills whatever has a directory as its root. For a step whose supervisor was killed. */
export async function killInRoot(directory: string): Promise<void> {
  const root = statSync(directory, { bigint: true });
  for (let round = 0; round < ROUNDS; round += 1) {
    const left = processes().filter((pid) => {
      const own = rootOf(pid);
      return own?.dev === root.dev && own.ino === root.ino;
    });
    if (left.length === 0) return;
    killAll(left);
    await sleep(INTERVAL);
  }
}

/** Returns undefined for a process that has ended, and for one with more privileges than this one has: it is no step's. */
function rootOf(pid: number): BigIntStats | undefined {
  try {
    return statSync(`/proc/${pid}/root/.`, { bigint: true });
  } catch {
    return undefined;
  }
}

function processes(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** A process that is gone is no error. */
export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

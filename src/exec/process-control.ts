import { closeSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { type WindowSize, duplicateOf, setWindowSize } from "../linux/index.ts";
import type { Launch } from "./launch.ts";
import { childrenOf } from "./process-tree.ts";

/** Maximum number of signals and sizes that wait until the process runs. Further ones are dropped. */
const MAX_WAITING = 64;
/** Milliseconds between two looks at a runtime that is starting. */
const INTERVAL = 10;

/** Tries to do something to a process by its runtime. Returns false if the process does not run yet. */
type Action = (runtime: number) => boolean;

/**
 * Sends signals and window sizes to the process of a runtime, in order. The runtime passes on signals that it gets, because it alone
 * knows when the process has started.
 */
export class ProcessControl {
  readonly #launched: Launch;
  readonly #waiting: Action[] = [];
  #isDelivering = false;

  constructor(launched: Launch) {
    this.#launched = launched;
  }

  signal(name: NodeJS.Signals): void {
    // A signal that the runtime cannot receive kills it, and its container with it.
    if (name === "SIGKILL") return this.#launched.kill();
    this.#add((runtime) => forward(runtime, name));
  }

  resize(size: WindowSize): void {
    this.#add((runtime) => resizeTerminal(runtime, size));
  }

  #add(action: Action): void {
    if (this.#waiting.length >= MAX_WAITING) return;
    this.#waiting.push(action);
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    void this.#deliver();
  }

  async #deliver(): Promise<void> {
    for (let action = this.#waiting[0]; action !== undefined && this.#launched.isAlive; action = this.#waiting[0]) {
      const runtime = this.#launched.first();
      if (runtime !== undefined && attempt(action, runtime)) this.#waiting.shift();
      else await sleep(INTERVAL);
    }
    this.#waiting.length = 0;
    this.#isDelivering = false;
  }
}

/** A process that has just ended is no reason to try again. */
function attempt(action: Action, runtime: number): boolean {
  try {
    return action(runtime);
  } catch {
    return true;
  }
}

function forward(runtime: number, name: NodeJS.Signals): boolean {
  const [child] = childrenOf(runtime);
  if (child === undefined || !handles(runtime, constants.signals[name])) return false;
  // Nobody can pass on SIGSTOP: it stops who gets it.
  process.kill(name === "SIGSTOP" ? child : runtime, name);
  return true;
}

/** True if a runtime is ready to pass on a signal: it has a handler (runc), or blocks signals and reads them (crun). */
function handles(runtime: number, signal: number): boolean {
  const status = readFileSync(`/proc/${runtime}/status`, "utf8");
  const has = (field: string): boolean => {
    const mask = BigInt(`0x${new RegExp(`^${field}:\\s*([0-9a-f]+)$`, "m").exec(status)?.[1] ?? "0"}`);
    return ((mask >> BigInt(signal - 1)) & 1n) === 1n;
  };
  return signal === constants.signals.SIGSTOP || has("SigBlk") || has("SigCgt");
}

/** Sets the size of the container's terminal. crun before 1.9 does not pass on that of its own. */
function resizeTerminal(runtime: number, size: WindowSize): boolean {
  const descriptor = readdirSync(`/proc/${runtime}/fd`).find((name) => isController(runtime, name));
  if (descriptor === undefined) return false;
  const controller = duplicateOf(runtime, Number(descriptor));
  try {
    setWindowSize(controller, size);
  } finally {
    closeSync(controller);
  }
  return true;
}

function isController(runtime: number, descriptor: string): boolean {
  try {
    return /^\/dev\/(pts\/)?ptmx$/.test(readlinkSync(`/proc/${runtime}/fd/${descriptor}`));
  } catch {
    return false;
  }
}

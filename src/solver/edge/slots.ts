import { availableParallelism } from "node:os";
import { Semaphore } from "../../io/index.ts";
import type { OpResources } from "../vertex.ts";

export interface SlotLimits {
  /** Executions at a time that keep a processor busy. Default: the number of processors. */
  readonly cpu?: number | undefined;
  /** Executions at a time that mostly wait for a disk or a network. Default 8. */
  readonly io?: number | undefined;
}

const NONE: Disposable = { [Symbol.dispose]: () => undefined };

/** Bounds how many ops execute at a time. */
export class Slots {
  readonly #cpu: Semaphore;
  readonly #io: Semaphore;

  constructor({ cpu = availableParallelism(), io = 8 }: SlotLimits = {}) {
    this.#cpu = new Semaphore(cpu);
    this.#io = new Semaphore(io);
  }

  async take(resources: OpResources, signal: AbortSignal): Promise<Disposable> {
    switch (resources) {
      case "cpu":
        return await this.#cpu.acquire(signal);
      case "io":
        return await this.#io.acquire(signal);
      case "none":
        return NONE;
    }
  }
}

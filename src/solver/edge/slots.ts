import { availableParallelism } from "node:os";
import { Semaphore } from "../../io/index.ts";
import type { OpResources } from "../vertex.ts";

/** How many ops may execute at the same time. */
export interface SlotLimits {
  /** Maximum number of concurrent executions that keep a processor busy. Default: the number of processors. */
  readonly cpu?: number | undefined;
  /** Maximum number of concurrent executions that mostly wait for a disk or a network. Default 8. */
  readonly io?: number | undefined;
}

const NONE: Disposable = { [Symbol.dispose]: () => undefined };

/** Limits how many ops execute at the same time. */
export class Slots {
  readonly #cpu: Semaphore;
  readonly #io: Semaphore;

  constructor({ cpu = availableParallelism(), io = 8 }: SlotLimits = {}) {
    this.#cpu = new Semaphore(cpu);
    this.#io = new Semaphore(io);
  }

  /** Waits for a slot. Disposing of the result releases the slot. */
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

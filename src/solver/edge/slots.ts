import { Semaphore } from "../../io/index.ts";
import type { OpResources } from "../vertex.ts";

/** How many ops may execute at the same time. */
export interface SlotLimits {
  /** Maximum number of concurrent executions, of steps and of work on files together. Default: no limit. */
  readonly all?: number | undefined;
  /** Returns the maximum number of concurrent steps. It is called once, before the first step. Default: no limit. */
  readonly steps?: (() => Promise<number>) | undefined;
  /** Maximum number of concurrent executions that work on files themselves. Default 8. */
  readonly io?: number | undefined;
}

const NONE: Disposable = { [Symbol.dispose]: () => undefined };

/** Limits how many ops execute at the same time. */
export class Slots {
  readonly #all: Semaphore;
  readonly #io: Semaphore;
  readonly #askSteps: () => Promise<number>;
  #steps: Promise<Semaphore> | undefined;

  constructor({ all = Infinity, steps = () => Promise.resolve(Infinity), io = 8 }: SlotLimits = {}) {
    this.#all = new Semaphore(all);
    this.#io = new Semaphore(io);
    this.#askSteps = steps;
  }

  /** Waits for a slot. Disposing of the result releases the slot. */
  async take(resources: OpResources, signal: AbortSignal): Promise<Disposable> {
    if (resources === "none") return NONE;
    using stack = new DisposableStack();
    // In this order: who waits for the narrower limit holds nothing of the wider one.
    stack.use(await (resources === "step" ? await this.#stepSlots() : this.#io).acquire(signal));
    stack.use(await this.#all.acquire(signal));
    return stack.move();
  }

  #stepSlots(): Promise<Semaphore> {
    this.#steps ??= this.#askSteps().then((count) => new Semaphore(count));
    return this.#steps;
  }
}

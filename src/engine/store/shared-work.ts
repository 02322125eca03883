import type { ContentStore, Lease } from "../../content/index.ts";
import type { Runner } from "../../exec/index.ts";

interface Held {
  readonly lease: Promise<Lease>;
  runner: Promise<Runner> | undefined;
}

/** What one build has of the work it shares with others, until it is disposed of. */
export interface WorkShare extends AsyncDisposable {
  readonly lease: Lease;
  /** Runs the steps; made when the first one has to run. */
  readonly runner: () => Promise<Runner>;
}

/**
 * One lease and one runner for all builds that run in a store at the same time: they share work, so what one of them makes or
 * runs must outlive it as long as another may use it. Taken by the first, given back by the last.
 */
export class SharedWork {
  readonly #content: ContentStore;
  readonly #runDirectory: string;
  #held: Held | undefined;
  #holders = 0;

  constructor(content: ContentStore, runDirectory: string) {
    this.#content = content;
    this.#runDirectory = runDirectory;
  }

  async enter(): Promise<WorkShare> {
    this.#holders += 1;
    this.#held ??= { lease: this.#content.lease(), runner: undefined };
    const held = this.#held;
    try {
      return {
        lease: await held.lease,
        runner: () => (held.runner ??= openRunner(this.#runDirectory)),
        [Symbol.asyncDispose]: () => this.#leave(),
      };
    } catch (error) {
      this.#holders -= 1;
      if (this.#held === held) this.#held = undefined;
      throw error;
    }
  }

  async #leave(): Promise<void> {
    this.#holders -= 1;
    const held = this.#held;
    if (this.#holders > 0 || held === undefined) return;
    this.#held = undefined;
    await using _lease = await held.lease;
    await using _runner = await held.runner?.catch(() => undefined);
  }
}

async function openRunner(stateDir: string): Promise<Runner> {
  const { createRunner } = await import("../../exec/index.ts");
  return await createRunner({ stateDir });
}

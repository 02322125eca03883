import type { ContentStore, Lease } from "../content/index.ts";

/**
 * One lease for all builds that run in a store at the same time: they share work, so what one of them makes must outlive it
 * as long as another may use it. Taken by the first, given back by the last.
 */
export class SharedLease {
  readonly #content: ContentStore;
  #lease: Promise<Lease> | undefined;
  #holders = 0;

  constructor(content: ContentStore) {
    this.#content = content;
  }

  async enter(): Promise<{ readonly lease: Lease } & AsyncDisposable> {
    this.#holders += 1;
    this.#lease ??= this.#content.lease();
    try {
      const lease = await this.#lease;
      return { lease, [Symbol.asyncDispose]: () => this.#leave() };
    } catch (error) {
      this.#lease = undefined;
      this.#holders -= 1;
      throw error;
    }
  }

  async #leave(): Promise<void> {
    this.#holders -= 1;
    if (this.#holders > 0) return;
    const lease = await this.#lease;
    this.#lease = undefined;
    await lease?.[Symbol.asyncDispose]();
  }
}

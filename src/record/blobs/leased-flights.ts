import type { ContentStore } from "../../content/index.ts";
import { SingleFlight } from "../../io/index.ts";
import type { Hold } from "../types.ts";

/**
 * Work that callers share, once for each key. It has a lease of its own until it ends: a caller that leaves, and gives his
 * lease back, takes nothing from the others. So what is made must be kept by something else when the work ends, such as a
 * record; and by each caller's lease from then on.
 */
export class LeasedFlights<K, T> {
  readonly #flights = new SingleFlight<K, T>();
  readonly #content: ContentStore;

  constructor(content: ContentStore) {
    this.#content = content;
  }

  /** Does the work, or waits for the same that is under way. It is cancelled when all callers have gone, and tells its waits to the first. */
  async run(key: K, work: (hold: Hold) => Promise<T>, { signal, onWait }: Omit<Hold, "lease">): Promise<T> {
    const leased = async (shared: AbortSignal): Promise<T> => {
      await using lease = await this.#content.lease();
      return await work({ lease, signal: shared, onWait });
    };
    return await this.#flights.run(key, leased, signal);
  }
}

import type { ContentStore } from "../../content/index.ts";
import { SingleFlight } from "../../io/index.ts";
import type { Hold } from "../types.ts";

/**
 * Runs work once per key for all concurrent callers (see `SingleFlight`), under a lease of its own. A caller that is cancelled
 * and releases its lease therefore takes nothing away from the others. The lease is released when the work ends, so the work
 * must attach its results to something else, such as a record; each caller then adds them to its own lease.
 */
export class LeasedSingleFlight<K, T> {
  readonly #flights = new SingleFlight<K, T>();
  readonly #content: ContentStore;

  constructor(content: ContentStore) {
    this.#content = content;
  }

  /**
   * Runs `work`, or joins the run with the same key. The run is cancelled when all its callers are cancelled. It reports waits
   * for other machines to the `onWait` of its first caller, and fetches blobs as that caller does.
   */
  async run(key: K, work: (hold: Hold) => Promise<T>, { signal, ...hold }: Omit<Hold, "lease">): Promise<T> {
    const leased = async (shared: AbortSignal): Promise<T> => {
      await using lease = await this.#content.lease();
      return await work({ ...hold, lease, signal: shared });
    };
    return await this.#flights.run(key, leased, signal);
  }
}

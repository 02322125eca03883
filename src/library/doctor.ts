import type { VerifyOptions } from "../content/index.ts";
import { type StoreVerification, verifyStore as verifyIn } from "../doctor/index.ts";
import { type Store, partsOf } from "./store.ts";

/**
 * Reads and hashes every blob of a store, and reports those that are damaged or missing. Damaged blobs are moved to quarantine;
 * whatever needs them restores them where that is possible.
 *
 * @throws {VarveError} `cancelled` if `signal` is aborted.
 */
export async function verifyStore(store: Store, options?: VerifyOptions): Promise<StoreVerification> {
  return await verifyIn(partsOf(store), options);
}

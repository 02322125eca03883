import { VarveError, throwIfAborted } from "../../core/index.ts";
import type { Endpoint } from "./endpoint.ts";

/**
 * Asks each endpoint in turn until one succeeds. Throws the error of the last one, which is the registry itself. A cancellation ends it
 * at once.
 */
export async function fromFirst<T>(
  endpoints: readonly Endpoint[],
  signal: AbortSignal | undefined,
  ask: (endpoint: Endpoint) => Promise<T>,
): Promise<T> {
  for (const endpoint of endpoints.slice(0, -1)) {
    try {
      return await ask(endpoint);
    } catch {
      throwIfAborted(signal, `read from ${endpoint.name}`);
    }
  }
  const last = endpoints.at(-1);
  if (last === undefined) throw new VarveError("internal", "Cannot ask a registry: it has no endpoint");
  return await ask(last);
}

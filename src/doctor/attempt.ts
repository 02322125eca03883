import { toVarveError } from "../core/index.ts";
import { type Fact, missing } from "./fact.ts";

/** Returns the facts that `look` finds. If it fails, returns one fact with the reason. Throws only if `signal` is aborted. */
export async function attempt(
  name: string,
  look: () => Fact | readonly Fact[] | Promise<Fact | readonly Fact[]>,
  signal?: AbortSignal,
): Promise<readonly Fact[]> {
  signal?.throwIfAborted();
  try {
    return [await look()].flat();
  } catch (error) {
    signal?.throwIfAborted();
    const { message, hint } = toVarveError(error, `examine ${name}`);
    return [missing(name, "not known", { consequence: message, fix: hint })];
  }
}

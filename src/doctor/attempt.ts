import { toVarveError } from "../core/index.ts";
import { type Fact, missing } from "./fact.ts";

/** The facts that `look` finds, or one that says why it could not look. Throws only if `signal` is aborted. */
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
    const { message, hint } = toVarveError(error, `look at ${name}`);
    return [missing(name, "not known", { consequence: message, mend: hint })];
  }
}

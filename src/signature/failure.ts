import { VarveError } from "../core/index.ts";

/** Maximum size of a signature or of keys, in bytes. */
export const MAX_INPUT = 1_048_576;

/** Returns the error for a signature that does not verify, or cannot. */
export function invalidSignature(why: string): VarveError {
  return new VarveError("corrupt", why);
}

import { VarveError } from "../../core/index.ts";

/** Returns the error for an op from outside that cannot run. The texts are BuildKit's where it makes the same check. */
export function invalidOp(why: string): VarveError {
  return new VarveError("invalid-argument", why);
}

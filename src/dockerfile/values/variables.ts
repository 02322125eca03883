import { Limits, VarveError } from "../../core/index.ts";

/**
 * Checks the number of variables that one stage sets.
 *
 * @throws {VarveError} `limit-exceeded` above `Limits.variables`.
 */
export function checkVariables(count: number): void {
  if (count > Limits.variables)
    throw new VarveError("limit-exceeded", `Cannot set variables: the stage has more than ${Limits.variables}`);
}

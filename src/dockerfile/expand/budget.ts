import { Limits, VarveError } from "../../core/index.ts";

/**
 * Limits the total cost of all expansions in one Dockerfile. Without a limit, a variable that doubles on each line would use all
 * memory.
 */
export class ExpansionBudget {
  #left: number;

  constructor(units: number = Limits.expansion) {
    this.#left = units;
  }

  /** Spends a number of characters, or of steps of a pattern. Throws `limit-exceeded` if too few are left. */
  spend(units: number): void {
    this.#left -= units;
    if (this.#left < 0)
      throw new VarveError(
        "limit-exceeded",
        "Cannot expand variables: they are too long, or their patterns are too complex",
        {
          details: { limit: Limits.expansion },
        },
      );
  }
}

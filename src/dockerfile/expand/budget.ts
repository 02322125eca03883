import { Limits, VarveError } from "../../core/index.ts";

/** What the expansions of one Dockerfile may still cost: variables that double from line to line would take all memory. */
export class ExpansionBudget {
  #left: number;

  constructor(units: number = Limits.expansion) {
    this.#left = units;
  }

  /** Takes a number of characters, or of steps of a pattern. Throws `limit-exceeded`. */
  spend(units: number): void {
    this.#left -= units;
    if (this.#left < 0)
      throw new VarveError(
        "limit-exceeded",
        "Cannot expand variables: they are too long, or their patterns too complex",
        {
          details: { limit: Limits.expansion },
        },
      );
  }
}

import { goQuote, VarveError } from "../core/index.ts";

/** The error for a pattern whose syntax is wrong. */
export function badPattern(pattern: string, why: string): VarveError {
  const shown = goQuote(pattern.length > 200 ? `${pattern.slice(0, 200)}…` : pattern);
  return new VarveError("invalid-build", `Cannot read pattern ${shown}: ${why}`, { details: { pattern } });
}

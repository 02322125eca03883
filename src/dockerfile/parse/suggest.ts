const TOO_FAR = 3;
const LONGEST = 128;
/** Two rows of `distance`. */
const ROWS = [new Uint8Array(2 * LONGEST), new Uint8Array(2 * LONGEST)] as const;

/**
 * Edits (insert, delete, replace a character) from one text to the other; some number past them if they are `TOO_FAR` or more.
 * Looks only at places that fewer edits can reach. Neither text is longer than `LONGEST + TOO_FAR`.
 */
function distance(from: string, to: string): number {
  let [row, next] = ROWS;
  for (let j = 0; j <= to.length; j++) row[j] = Math.min(j, TOO_FAR);
  for (let i = 1; i <= from.length; i++) {
    const first = Math.max(1, i - TOO_FAR + 1);
    const last = Math.min(to.length, i + TOO_FAR - 1);
    next[first - 1] = first === 1 ? Math.min(i, TOO_FAR) : TOO_FAR;
    for (let j = first; j <= last; j++) {
      const replace = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next[j] = Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, TOO_FAR);
    }
    next[last + 1] = TOO_FAR;
    [row, next] = [next, row];
  }
  return row[to.length] ?? TOO_FAR;
}

/**
 * The option fewer than three edits away from `value`, the nearest first; undefined if there is none, or if `value` is itself
 * an option, for then the mistake is elsewhere.
 */
export function suggestion(value: string, options: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = TOO_FAR;
  if (value.length > LONGEST) return undefined;
  for (const option of [...options].sort()) {
    if (option === value) return undefined;
    if (Math.abs(option.length - value.length) >= least) continue;
    const edits = distance(value, option);
    if (edits < least) [best, least] = [option, edits];
  }
  return best;
}

/** As `suggestion`, blind to case; the answer is in the case of `value` where that has one. */
export function suggestionAnyCase(value: string, options: Iterable<string>): string | undefined {
  const found = suggestion(
    value.toLowerCase(),
    Array.from(options, (option) => option.toLowerCase()),
  );
  if (found === undefined) return undefined;
  return value !== value.toLowerCase() && value === value.toUpperCase() ? found.toUpperCase() : found;
}

/** ` (did you mean X?)`, or nothing. */
export function didYouMean(found: string | undefined): string {
  return found === undefined ? "" : ` (did you mean ${found}?)`;
}

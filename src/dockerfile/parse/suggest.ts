const TOO_FAR = 3;
const LONGEST = 128;
/** The two rows of the table of `distance`, reused to avoid allocations. */
const ROWS = [new Uint8Array(2 * LONGEST), new Uint8Array(2 * LONGEST)] as const;

/**
 * Returns the edit distance of two texts (insert, delete, replace a character), or a number from `TOO_FAR` on if it is `TOO_FAR`
 * or more. Computes only the part of the table that fewer edits can reach. Texts have at most `LONGEST + TOO_FAR` characters.
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
 * Returns the option with the smallest edit distance to `value`, if it is less than three. Returns undefined if there is none, or
 * if `value` is one of the options.
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

/** Like `suggestion`, but ignores case. The result is in upper case if `value` is, otherwise in lower case. */
export function suggestionAnyCase(value: string, options: Iterable<string>): string | undefined {
  const found = suggestion(
    value.toLowerCase(),
    Array.from(options, (option) => option.toLowerCase()),
  );
  if (found === undefined) return undefined;
  return value !== value.toLowerCase() && value === value.toUpperCase() ? found.toUpperCase() : found;
}

/** Returns ` (did you mean X?)`, or an empty text if there is no suggestion. */
export function didYouMean(found: string | undefined): string {
  return found === undefined ? "" : ` (did you mean ${found}?)`;
}

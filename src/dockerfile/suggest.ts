/** Edits (insert, delete, replace a character) from one text to the other. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replace = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

const TOO_FAR = 3;
const LONGEST = 128;

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

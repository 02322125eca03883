const SPACE = "\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const ONE = new RegExp(`^[${SPACE}]$`);
const EACH = new RegExp(`[${SPACE}]`);
const LEADING = new RegExp(`^[${SPACE}]+`);

/** True for one character that Go's `unicode.IsSpace` takes for white space; U+FEFF is not among them. */
export function isSpace(char: string): boolean {
  return ONE.test(char);
}

/** The texts between all characters that are white space: an empty one at an end, or between two of them. */
export function splitSpace(text: string): string[] {
  return text.split(EACH);
}

/** Without leading white space, as Go's `strings.TrimLeftFunc(s, unicode.IsSpace)`. */
export function trimSpaceStart(text: string): string {
  return text.replace(LEADING, "");
}

/** Without trailing white space. Scans from the end, so that a long inner run of blanks costs nothing. */
function trimSpaceEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

/** Without white space at either end, as Go's `strings.TrimSpace`. */
export function trimSpace(text: string): string {
  return trimSpaceEnd(trimSpaceStart(text));
}

/** Characters that take two columns: blocks of Unicode's EastAsianWidth.txt, and emoji. */
const WIDE =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{17000}-\u{18cff}\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
/** Characters that take no column: combining marks, joiners, variation selectors. */
const ZERO = /[\p{Mn}\p{Me}\p{Cf}]/u;
// oxlint-disable-next-line no-control-regex -- all of ASCII
const NARROW = /^[\u0000-\u02ff]*$/;

/** Returns the number of terminal columns of a character. */
function columnsOf(char: string): number {
  if (ZERO.test(char)) return 0;
  return WIDE.test(char) ? 2 : 1;
}

/** Returns the number of terminal columns of a text without control characters. */
export function displayWidth(text: string): number {
  if (NARROW.test(text)) return text.length;
  let width = 0;
  for (const char of text) width += columnsOf(char);
  return width;
}

/** Truncates a text to `width` columns. A truncated text ends with an ellipsis. */
export function fitColumns(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let cut = "";
  let used = 1;
  for (const char of text) {
    used += columnsOf(char);
    if (used > width) break;
    cut += char;
  }
  return width < 1 ? "" : `${cut}…`;
}

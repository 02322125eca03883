/** Control characters that no text has; tabs and terminal colours are text. */
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const BINARY = /[\u0000-\u0008\u000a-\u001a\u001c-\u001f\u007f]/;

/** The text as messages may show it; "(binary data)" for what is none. */
export function shownText(text: string): string {
  return BINARY.test(text) ? "(binary data)" : text;
}

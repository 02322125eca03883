/** Control characters that texts do not contain. Tabs and escape characters (terminal colours) are allowed. */
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const BINARY = /[\u0000-\u0008\u000a-\u001a\u001c-\u001f\u007f]/;

/** Returns a text for a message, or "(binary data)" if it contains control characters. */
export function shownText(text: string): string {
  return BINARY.test(text) ? "(binary data)" : text;
}

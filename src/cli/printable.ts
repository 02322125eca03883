/** A complete escape sequence: CSI, a string sequence such as OSC up to its terminator, or two characters. */
// oxlint-disable-next-line no-control-regex -- matches control characters on purpose
const SEQUENCE = /\u001b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)|[ -/]*[0-~])/g;
// oxlint-disable-next-line no-control-regex
const COLOUR = /^\u001b\[[0-9;]*m$/;
/** Control characters except tab, newline and escape, and Unicode's bidirectional controls. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
// oxlint-disable-next-line no-control-regex
const STRAY_ESCAPE = /\u001b(?!\[[0-9;]*m)/g;
const RESET = "\u001b[0m";

/**
 * Makes untrusted text safe for a terminal. Removes control characters and escape sequences, except newlines, tabs and colours.
 * Resets colours at the end.
 */
export function printable(text: string): string {
  const safe = text
    .replace(SEQUENCE, (sequence) => (COLOUR.test(sequence) ? sequence : ""))
    .replace(CONTROL, "")
    .replace(STRAY_ESCAPE, "");
  return safe.includes("\u001b") && !safe.endsWith(RESET) ? safe + RESET : safe;
}

/** Like `printable`, but replaces newlines by spaces, so that a name cannot imitate another line of output. */
export function printableLine(text: string): string {
  return printable(text).replace(/(?<!\s)\s+/g, (blanks) => (blanks.includes("\n") ? " " : blanks));
}

/** Removes colours, so that columns can be counted. */
export function withoutColours(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/\u001b\[[0-9;]*m/g, "");
}

/** Returns indented JSON. Also escapes control characters that `JSON.stringify` does not escape. */
export function printableJson(value: unknown): string {
  const escape = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value, undefined, 2).replace(/[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, escape);
}

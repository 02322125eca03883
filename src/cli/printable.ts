/** A whole escape sequence of a terminal: CSI, OSC and its kin up to their end, or two characters. */
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const SEQUENCE = /\u001b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)|[ -/]*[0-~])/g;
// oxlint-disable-next-line no-control-regex
const COLOUR = /^\u001b\[[0-9;]*m$/;
/** Controls other than tab, newline and escape, and the marks that make text read in another order than it is written. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
// oxlint-disable-next-line no-control-regex
const STRAY_ESCAPE = /\u001b(?!\[[0-9;]*m)/g;
const RESET = "\u001b[0m";

/**
 * Makes text from a build safe for a terminal: of its control characters only newlines, tabs and colours stay, and colours
 * end with the text.
 */
export function printable(text: string): string {
  const safe = text
    .replace(SEQUENCE, (sequence) => (COLOUR.test(sequence) ? sequence : ""))
    .replace(CONTROL, "")
    .replace(STRAY_ESCAPE, "");
  return safe.includes("\u001b") && !safe.endsWith(RESET) ? safe + RESET : safe;
}

/** As `printable`, in one line: a newline in a name must not look like the next line of the display. */
export function printableLine(text: string): string {
  return printable(text).replace(/(?<!\s)\s+/g, (blanks) => (blanks.includes("\n") ? " " : blanks));
}

/** Without its colours: for counting columns. */
export function withoutColours(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/\u001b\[[0-9;]*m/g, "");
}

/** Indented JSON in which also those controls are escaped that JSON itself lets stand. */
export function printableJson(value: unknown): string {
  const escape = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value, undefined, 2).replace(/[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, escape);
}

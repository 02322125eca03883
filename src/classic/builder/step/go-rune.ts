import { goQuote } from "../../../core/index.ts";

/** A number as Go's `%q` writes it: the character of that code, in single quotes. */
export function goRune(code: number): string {
  const rune =
    code >= 0 && code <= 0x10_ffff && (code < 0xd800 || code > 0xdfff) ? String.fromCodePoint(code) : "\ufffd";
  if (rune === '"') return `'"'`;
  if (rune === "'") return "'\\''";
  return `'${goQuote(rune).slice(1, -1)}'`;
}

const SHORT: ReadonlyMap<string, string> = new Map([
  ["\x07", "\\a"],
  ["\b", "\\b"],
  ["\f", "\\f"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  ["\v", "\\v"],
  ["\\", "\\\\"],
  ['"', '\\"'],
]);
const PRINTABLE = /^[ \p{L}\p{M}\p{N}\p{P}\p{S}]$/u;

function quoteRune(rune: string): string {
  const short = SHORT.get(rune);
  if (short !== undefined) return short;
  if (PRINTABLE.test(rune)) return rune;
  const code = rune.codePointAt(0) ?? 0;
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code < 0x1_0000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
}

/** Formats a string as Go's `%q`: `"a\tb"`. */
export function goQuote(text: string): string {
  return `"${Array.from(text.toWellFormed(), quoteRune).join("")}"`;
}

/** Formats a list of strings as Go's `%q`: `["a" "b"]`. */
export function goQuoteList(texts: readonly string[]): string {
  return `[${texts.map(goQuote).join(" ")}]`;
}

/** Formats a list of strings as Go's `%v`: `[a b]`. */
export function goList(texts: readonly string[]): string {
  return `[${texts.join(" ")}]`;
}

/** Formats an integer as Go's `%q`: the character with that code point, in single quotes. */
export function goQuoteRune(code: number): string {
  const isScalar = code >= 0 && code <= 0x10_ffff && (code < 0xd800 || code > 0xdfff);
  const rune = isScalar ? String.fromCodePoint(code) : "\ufffd";
  if (rune === '"') return `'"'`;
  if (rune === "'") return "'\\''";
  return `'${quoteRune(rune)}'`;
}

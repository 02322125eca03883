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

/** A text as Go's `%q` writes it. */
export function goQuote(text: string): string {
  return `"${Array.from(text.toWellFormed(), quoteRune).join("")}"`;
}

/** Texts as Go's `%q` writes a slice: `["a" "b"]`. */
export function goQuoteList(texts: readonly string[]): string {
  return `[${texts.map(goQuote).join(" ")}]`;
}

/** Texts as Go's `%v` writes a slice: `[a b]`. */
export function goList(texts: readonly string[]): string {
  return `[${texts.join(" ")}]`;
}

function trimFraction(value: bigint, unit: bigint): string {
  const fraction = (value % unit)
    .toString()
    .padStart(unit.toString().length - 1, "0")
    .replace(/0+$/, "");
  return `${value / unit}${fraction === "" ? "" : `.${fraction}`}`;
}

/** Nanoseconds as Go's `time.Duration` writes them: `1m30s`, `1.5s`, `300ms`, `0s`. */
export function goDuration(nanoseconds: number): string {
  const value = BigInt(Math.trunc(Math.abs(nanoseconds)));
  const sign = nanoseconds < 0 ? "-" : "";
  if (value === 0n) return "0s";
  if (value < 1_000n) return `${sign}${value}ns`;
  if (value < 1_000_000n) return `${sign}${trimFraction(value, 1_000n)}µs`;
  if (value < 1_000_000_000n) return `${sign}${trimFraction(value, 1_000_000n)}ms`;
  const minutes = value / 60_000_000_000n;
  const seconds = `${trimFraction(value % 60_000_000_000n, 1_000_000_000n)}s`;
  if (minutes === 0n) return sign + seconds;
  return minutes < 60n ? `${sign}${minutes}m${seconds}` : `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

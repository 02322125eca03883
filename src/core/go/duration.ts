import { VarveError } from "../error.ts";
import { goQuote } from "./quote.ts";

const UNITS: ReadonlyMap<string, number> = new Map([
  ["ns", 1],
  ["us", 1e3],
  ["µs", 1e3],
  ["μs", 1e3],
  ["ms", 1e6],
  ["s", 1e9],
  ["m", 60e9],
  ["h", 3600e9],
]);
const MAX_NANOSECONDS = 2 ** 63;

function quoted(text: string): string {
  return goQuote(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}

/**
 * Reads a duration as Go's `time.ParseDuration`: `1h30m`, `1.5s`, `300ms`, `0`. Returns nanoseconds.
 *
 * @throws {VarveError} `invalid-argument` with Go's own message.
 */
export function parseGoDuration(text: string): number {
  const invalid = new VarveError("invalid-argument", `time: invalid duration ${quoted(text)}`);
  const sign = text.startsWith("-") ? -1 : 1;
  let rest = text.replace(/^[-+]/, "");
  if (rest === "0") return 0;
  if (rest === "") throw invalid;
  let total = 0;
  while (rest !== "") {
    const match = /^(\d*)(?:\.(\d*))?/.exec(rest);
    const [number = "", whole = "", fraction = ""] = match ?? [];
    if (whole === "" && fraction === "") throw invalid;
    const unit = /^[^.\d]*/.exec(rest.slice(number.length))?.[0] ?? "";
    if (unit === "") throw new VarveError("invalid-argument", `time: missing unit in duration ${quoted(text)}`);
    const factor = UNITS.get(unit);
    if (factor === undefined)
      throw new VarveError("invalid-argument", `time: unknown unit ${quoted(unit)} in duration ${quoted(text)}`);
    total += Number(whole || "0") * factor + Math.trunc(Number(`0.${fraction || "0"}`) * factor);
    rest = rest.slice(number.length + unit.length);
  }
  if (total >= MAX_NANOSECONDS) throw invalid;
  return sign * total;
}

function trimFraction(value: bigint, unit: bigint): string {
  const fraction = (value % unit)
    .toString()
    .padStart(unit.toString().length - 1, "0")
    .replace(/0+$/, "");
  return `${value / unit}${fraction === "" ? "" : `.${fraction}`}`;
}

/** Formats nanoseconds as Go's `time.Duration`: `1m30s`, `1.5s`, `300ms`, `0s`. */
export function formatGoDuration(nanoseconds: number): string {
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

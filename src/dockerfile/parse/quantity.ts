import { goQuote } from "../../core/index.ts";
import { fault } from "../source/fault.ts";

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

/** Nanoseconds of a duration as Go writes it: `1h30m`, `1.5s`, `300ms`, `0`. */
export function parseDuration(text: string): number {
  const invalid = fault(`time: invalid duration ${quoted(text)}`, text);
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
    if (unit === "") throw fault(`time: missing unit in duration ${quoted(text)}`, text);
    const factor = UNITS.get(unit);
    if (factor === undefined) throw fault(`time: unknown unit ${quoted(unit)} in duration ${quoted(text)}`, text);
    total += Number(whole || "0") * factor + Math.trunc(Number(`0.${fraction || "0"}`) * factor);
    rest = rest.slice(number.length + unit.length);
  }
  if (total >= MAX_NANOSECONDS) throw invalid;
  return sign * total;
}

const SIZE = /^(\d+(?:\.\d+)?) ?(?:([kmgtp])(?:i?b)?|b)?$/i;
const POWERS = "kmgtp";

/** Bytes of a size with binary units: `64m`, `1.5GiB`, `512`. Undefined if the text is no size. */
export function parseBinarySize(text: string): number | undefined {
  const match = SIZE.exec(text);
  if (match === null) return undefined;
  const power = match[2] === undefined ? 0 : POWERS.indexOf(match[2].toLowerCase()) + 1;
  return Math.trunc(Number(match[1]) * 1024 ** power);
}

/** Go's `strconv.ParseBool`; undefined for anything else. */
export function parseBool(text: string): boolean | undefined {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  return ["0", "f", "F", "FALSE", "false", "False"].includes(text) ? false : undefined;
}

/** A number without sign in the given base, below 2^32; undefined for anything else. */
export function parseUint32(text: string, base: 8 | 10): number | undefined {
  if (!(base === 8 ? /^[0-7]+$/ : /^[0-9]+$/).test(text)) return undefined;
  const value = Number.parseInt(text, base);
  return value < 2 ** 32 ? value : undefined;
}

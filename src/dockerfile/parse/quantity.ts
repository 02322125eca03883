import { isVarveError, parseGoDuration } from "../../core/index.ts";
import { fault } from "../source/fault.ts";

/**
 * Parses a duration like `parseGoDuration`. Returns nanoseconds.
 * @throws {VarveError} `invalid-build` with Go's own message
 */
export function parseDuration(text: string): number {
  try {
    return parseGoDuration(text);
  } catch (error) {
    throw isVarveError(error, "invalid-argument") ? fault(error.message, text) : error;
  }
}

const SIZE = /^(\d+(?:\.\d+)?) ?(?:([kmgtp])(?:i?b)?|b)?$/i;
const POWERS = "kmgtp";

/** Parses a size with binary units: `64m`, `1.5GiB`, `512`. Returns bytes. Undefined if the text is not a size. */
export function parseBinarySize(text: string): number | undefined {
  const match = SIZE.exec(text);
  if (match === null) return undefined;
  const power = match[2] === undefined ? 0 : POWERS.indexOf(match[2].toLowerCase()) + 1;
  return Math.trunc(Number(match[1]) * 1024 ** power);
}

/** Parses a number below 2^32 without a sign, in the given base. Undefined for anything else. */
export function parseUint32(text: string, base: 8 | 10): number | undefined {
  if (!(base === 8 ? /^[0-7]+$/ : /^[0-9]+$/).test(text)) return undefined;
  const value = Number.parseInt(text, base);
  return value < 2 ** 32 ? value : undefined;
}

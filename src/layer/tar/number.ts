import { NS_PER_SECOND } from "../../core/index.ts";
import type { Field } from "./format.ts";

const SPACE = 0x20;

function isPadding(byte: number | undefined): boolean {
  return byte === 0 || byte === SPACE;
}

/**
 * Parses a numeric header field: octal digits between spaces and NULs, or, if the first bit is set, a two's complement number
 * in base 256 (GNU). Returns undefined for anything else, and for a number that is not a safe integer.
 */
export function parseNumeric(block: Uint8Array, [offset, length]: Field): number | undefined {
  const first = block[offset] ?? 0;
  return (first & 0x80) === 0
    ? parseOctal(block, offset, offset + length)
    : parseBase256(block, offset, offset + length);
}

/** Parses octal digits like Go's archive/tar: ignores padding on both sides, and stops at a NUL. No digits mean 0. */
function parseOctal(block: Uint8Array, start: number, end: number): number | undefined {
  let from = start;
  let to = end;
  while (from < to && isPadding(block[from])) from += 1;
  while (from < to && isPadding(block[to - 1])) to -= 1;
  let value = 0;
  for (let at = from; at < to; at += 1) {
    const byte = block[at] ?? 0;
    if (byte === 0) break;
    if (byte < 0x30 || byte > 0x37) return undefined;
    value = value * 8 + (byte - 0x30);
  }
  return Number.isSafeInteger(value) ? value : undefined;
}

function parseBase256(block: Uint8Array, start: number, end: number): number | undefined {
  const negative = ((block[start] ?? 0) & 0x40) !== 0;
  const flip = negative ? 0xff : 0;
  let value = ((block[start] ?? 0) ^ flip) & 0x7f;
  for (let at = start + 1; at < end; at += 1) {
    value = value * 256 + ((block[at] ?? 0) ^ flip);
    if (!Number.isSafeInteger(value)) return undefined;
  }
  return negative ? -value - 1 : value;
}

/** Returns whether `value` fits in an octal field of `length` bytes, the last of which is NUL. */
export function fitsOctal(value: number, length: number): boolean {
  return value >= 0 && value < 8 ** (length - 1);
}

const DECIMAL = /^(?:0|[1-9][0-9]{0,15})$/;

/** Parses a natural number in a PAX record. Undefined for anything else, for leading zeros, and past the safe integers. */
export function parseDecimal(text: string): number | undefined {
  if (!DECIMAL.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

const TIME = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/;

/** Parses a time in a PAX record. Returns nanoseconds, rounded towards zero. Undefined if it is not a decimal number. */
export function parseTime(text: string): bigint | undefined {
  const match = TIME.exec(text);
  if (match === null) return undefined;
  const [, sign, seconds = "", fraction = ""] = match;
  const value = BigInt(seconds) * NS_PER_SECOND + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
  return sign === "-" ? -value : value;
}

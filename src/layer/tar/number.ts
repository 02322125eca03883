import type { Field } from "./format.ts";

const SPACE = 0x20;

function isPadding(byte: number | undefined): boolean {
  return byte === 0 || byte === SPACE;
}

/**
 * A numeric header field: octal digits between spaces and NULs, or, if the first bit is set, a two's complement number in
 * base 256 (GNU). Undefined if it is neither, or too large to be exact.
 */
export function parseNumeric(block: Uint8Array, [offset, length]: Field): number | undefined {
  const first = block[offset] ?? 0;
  return (first & 0x80) === 0
    ? parseOctal(block, offset, offset + length)
    : parseBase256(block, offset, offset + length);
}

/** As Go's archive/tar: padding on both sides is dropped, then a NUL ends the digits. No digits are 0. */
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

/** True if `value` can stand in an octal field of `length` bytes, the last of which is NUL. */
export function fitsOctal(value: number, length: number): boolean {
  return value >= 0 && value < 8 ** (length - 1);
}

const DECIMAL = /^(?:0|[1-9][0-9]{0,15})$/;

/** A whole number of a PAX record; undefined for a sign, a fraction, an exponent, leading zeros or one too large to be exact. */
export function parseDecimal(text: string): number | undefined {
  if (!DECIMAL.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

const TIME = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/;

/** A time of a PAX record, in nanoseconds; digits past the ninth are dropped. Undefined if it is not a decimal number. */
export function parseTime(text: string): bigint | undefined {
  const match = TIME.exec(text);
  if (match === null) return undefined;
  const [, sign, seconds, fraction = ""] = match;
  const value = BigInt(seconds as string) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
  return sign === "-" ? -value : value;
}

/** Nanoseconds to whole seconds, rounded down. */
export function wholeSeconds(nanoseconds: bigint): number {
  const rest = nanoseconds % 1_000_000_000n;
  return Number((nanoseconds - rest) / 1_000_000_000n) - (rest < 0n ? 1 : 0);
}

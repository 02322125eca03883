import { VarveError } from "../core/index.ts";

const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)$/;

/** A time of a config in ns since 1970, or undefined if the text is no RFC 3339 time. */
export function parseTime(text: string): bigint | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [, day = "", clock = "", fraction = "", zone = ""] = match;
  const milliseconds = Date.parse(`${day}T${clock}${zone.toUpperCase()}`);
  // The 30th of February would be a day of March.
  const local = new Date(`${day}T${clock}Z`);
  const exists = !Number.isNaN(local.getTime()) && local.toISOString().startsWith(`${day}T${clock}`);
  return Number.isNaN(milliseconds) || !exists
    ? undefined
    : BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
}

/** RFC 3339 in UTC without trailing zeros in the fraction, as Go writes a time. `ns` since 1970. */
export function formatTime(ns: bigint): string {
  const fraction = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const date = new Date(Number((ns - fraction) / 1_000_000n));
  const year = Number.isNaN(date.getTime()) ? Number.NaN : date.getUTCFullYear();
  if (!(year >= 0 && year <= 9999))
    throw new VarveError("invalid-argument", `Cannot write time ${ns} ns: its year is not from 0 to 9999`);
  const digits = fraction === 0n ? "" : `.${fraction.toString().padStart(9, "0").replace(/0+$/, "")}`;
  return `${date.toISOString().slice(0, 19)}${digits}Z`;
}

import { NS_PER_SECOND, wholeSeconds } from "../nanoseconds.ts";
import { VarveError } from "../error.ts";

/** Go's zero time, 0001-01-01T00:00:00Z, in ns since 1970: the value of a time field that a document leaves out. */
export const GO_ZERO_TIME: bigint = -62_135_596_800_000_000_000n;

const NS_PER_MS = 1_000_000n;
const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:Z|([+-])(\d{2}):(\d{2}))$/;

/**
 * Reads an RFC 3339 time as Go's `time.Time` reads one from JSON. Returns ns since 1970, or undefined for any other text.
 * Digits past nanoseconds are dropped.
 */
export function parseGoTime(text: string): bigint | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = "", sign, zoneHour = "0", zoneMinute = "0"] = match;
  const local = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const localMs = Date.parse(`${local}Z`);
  // JavaScript reads February 30 as a day in March.
  if (Number.isNaN(localMs) || !new Date(localMs).toISOString().startsWith(local)) return undefined;
  if (Number(zoneHour) > 24 || Number(zoneMinute) > 60) return undefined;
  const offset = (Number(zoneHour) * 60 + Number(zoneMinute)) * 60_000;
  const utcMs = sign === "-" ? localMs + offset : localMs - offset;
  const utcYear = new Date(utcMs).getUTCFullYear();
  if (utcYear < 0 || utcYear > 9999) return undefined;
  return BigInt(utcMs) * NS_PER_MS + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
}

/**
 * Formats a time as Go writes it in JSON: RFC 3339 in UTC, without trailing zeros in the fraction.
 *
 * @param ns - ns since 1970.
 * @throws {VarveError} `invalid-argument` for a year outside 0 to 9999.
 */
export function formatGoTime(ns: bigint): string {
  const fraction = ns - wholeSeconds(ns) * NS_PER_SECOND;
  const date = new Date(Number((ns - fraction) / NS_PER_MS));
  const year = Number.isNaN(date.getTime()) ? Number.NaN : date.getUTCFullYear();
  if (!(year >= 0 && year <= 9999))
    throw new VarveError("invalid-argument", `Cannot write time ${ns} ns: its year is not from 0 to 9999`);
  const digits = fraction === 0n ? "" : `.${fraction.toString().padStart(9, "0").replace(/0+$/, "")}`;
  return `${date.toISOString().slice(0, 19)}${digits}Z`;
}

import { VarveError } from "../../core/index.ts";

/** Nanoseconds since 1970, in UTC. Go's times have that grain, which a `number` of milliseconds would lose. */
export type Time = bigint;

/** Go's zero time, year 1: what a document means that names no time. */
export const ZERO_TIME: Time = -62_135_596_800_000_000_000n;

const NANOSECONDS = 1_000_000n;
const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:Z|([+-])(\d{2}):(\d{2}))$/;

function refuse(text: string): never {
  throw new VarveError(
    "corrupt",
    `Cannot read cache config: parsing time ${JSON.stringify(text.slice(0, 80))} as RFC 3339 is not possible`,
  );
}

/** RFC 3339 as Go's `time.Time` takes it from JSON: digits past nanoseconds are cut off. Throws `corrupt`. */
export function parseGoTime(text: string): Time {
  const match = RFC3339.exec(text);
  if (match === null) refuse(text);
  const [, year, month, day, hour, minute, second, fraction = "", sign, zoneHour = "0", zoneMinute = "0"] = match;
  const seconds = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const at = Date.parse(`${seconds}Z`);
  const isReal = !Number.isNaN(at) && new Date(at).toISOString().startsWith(seconds);
  if (!isReal || Number(zoneHour) > 24 || Number(zoneMinute) > 60) refuse(text);
  const zone = (Number(zoneHour) * 60 + Number(zoneMinute)) * 60_000 * (sign === "-" ? 1 : -1);
  const utcYear = new Date(at + zone).getUTCFullYear();
  if (utcYear < 0 || utcYear > 9999) refuse(text);
  return BigInt(at + zone) * NANOSECONDS + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
}

/** Milliseconds since 1970 with a fraction: what the solver counts in. Good to a quarter of a microsecond. */
export function timeToMilliseconds(time: Time): number {
  return Number(time / NANOSECONDS) + Number(time % NANOSECONDS) / 1e6;
}

/** The way back, to whole microseconds: finer digits of a float are noise. */
export function timeFromMilliseconds(milliseconds: number): Time {
  return BigInt(Math.round(milliseconds * 1000)) * 1000n;
}

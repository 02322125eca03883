import { type JsonNode, VarveError, parseGoTime } from "../../core/index.ts";

/** Nanoseconds since 1970, in UTC: the resolution of Go's times, which milliseconds in a `number` would lose. */
export type Time = bigint;

const NANOSECONDS_PER_MILLISECOND = 1_000_000n;

/**
 * Reads a time of a cache config with `parseGoTime`.
 *
 * @throws {VarveError} `corrupt` for anything else, in Go's words.
 */
export function readTime(node: JsonNode): Time {
  const text = node.string() ?? "";
  const time = parseGoTime(text);
  if (time !== undefined) return time;
  const quoted = JSON.stringify(text.slice(0, 80));
  throw new VarveError("corrupt", `Cannot read cache config: parsing time ${quoted} as RFC 3339 is not possible`);
}

/** Returns milliseconds since 1970 with a fraction, the solver's unit. Precise to a quarter of a microsecond. */
export function timeToMilliseconds(time: Time): number {
  return Number(time / NANOSECONDS_PER_MILLISECOND) + Number(time % NANOSECONDS_PER_MILLISECOND) / 1e6;
}

/** Converts milliseconds since 1970, rounded to whole microseconds, because a `number` has no finer digits. */
export function timeFromMilliseconds(milliseconds: number): Time {
  return BigInt(Math.round(milliseconds * 1000)) * 1000n;
}

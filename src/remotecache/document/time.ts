import { type JsonNode, parseGoTime } from "../../core/index.ts";

/** Nanoseconds since 1970, in UTC. Go's times have that grain, which a `number` of milliseconds would lose. */
export type Time = bigint;

const NANOSECONDS = 1_000_000n;

/**
 * Reads a time as `parseGoTime`.
 *
 * @throws {VarveError} `corrupt` for anything else.
 */
export function readTime(node: JsonNode): Time {
  return parseGoTime(node.string() ?? "") ?? node.fail("a time");
}

/** Milliseconds since 1970 with a fraction: what the solver counts in. Good to a quarter of a microsecond. */
export function timeToMilliseconds(time: Time): number {
  return Number(time / NANOSECONDS) + Number(time % NANOSECONDS) / 1e6;
}

/** The way back, to whole microseconds: finer digits of a float are noise. */
export function timeFromMilliseconds(milliseconds: number): Time {
  return BigInt(Math.round(milliseconds * 1000)) * 1000n;
}

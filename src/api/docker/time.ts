import { parseGoDuration, parseGoTime, NS_PER_SECOND, wholeSeconds } from "../../core/index.ts";
import { apiError } from "./errors.ts";

/**
 * Parses a client's point in time: Unix seconds with or without a fraction, RFC 3339, or a duration before now. Returns ns
 * since the epoch. Throws 400 for anything else.
 */
export function parsePoint(text: string): bigint {
  const seconds = /^(-?\d{1,12})(?:\.(\d{1,9}))?$/.exec(text);
  if (seconds !== null) return BigInt(seconds[1] ?? 0) * NS_PER_SECOND + BigInt((seconds[2] ?? "").padEnd(9, "0"));
  const moment = parseGoTime(text) ?? parseGoTime(`${text}Z`) ?? parseGoTime(`${text}T00:00:00Z`);
  if (moment !== undefined) return moment;
  try {
    return BigInt(Date.now()) * 1_000_000n - BigInt(parseGoDuration(text));
  } catch (error) {
    throw apiError(400, `failed to parse value as time or duration: "${text.slice(0, 100)}"`, error);
  }
}

/** Returns a config's time in whole Unix seconds; 0 if it has none. */
export function unixSeconds(created: string | null | undefined): number {
  const time = parseGoTime(created ?? "");
  if (time === undefined) return 0;
  return Number(wholeSeconds(time));
}

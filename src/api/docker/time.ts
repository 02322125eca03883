import { parseTime } from "../../image/index.ts";
import { refusal } from "./errors.ts";

const UNIT_NS: Readonly<Record<string, number>> = { h: 3.6e12, m: 6e10, s: 1e9, ms: 1e6, us: 1e3, ns: 1 };

/** A point in time as clients give it: Unix seconds with a fraction, RFC 3339, or a duration before now. ns since 1970. */
export function parsePoint(text: string): bigint {
  const seconds = /^(-?\d{1,12})(?:\.(\d{1,9}))?$/.exec(text);
  if (seconds !== null) return BigInt(seconds[1] ?? 0) * 1_000_000_000n + BigInt((seconds[2] ?? "").padEnd(9, "0"));
  const moment = parseTime(text) ?? parseTime(`${text}Z`) ?? parseTime(`${text}T00:00:00Z`);
  if (moment !== undefined) return moment;
  const parts = [...text.matchAll(/(\d{1,18}(?:\.\d{1,9})?)(ms|us|ns|h|m|s)/g)];
  if (text === "" || parts.map(([part]) => part).join("") !== text)
    throw refusal(400, `failed to parse value as time or duration: "${text.slice(0, 100)}"`);
  const before = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_NS[unit ?? ""] ?? 0), 0);
  return BigInt(Date.now()) * 1_000_000n - BigInt(Math.round(before));
}

/** Whole Unix seconds of a config's time; 0 if it has none. */
export function unixSeconds(created: string | null | undefined): number {
  const time = parseTime(created ?? "");
  if (time === undefined) return 0;
  return Number(time / 1_000_000_000n) - (time < 0n && time % 1_000_000_000n !== 0n ? 1 : 0);
}

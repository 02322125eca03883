import { messageOf, readDuration } from "../core/index.ts";
import { csvFields as csvLine } from "../dockerfile/index.ts";
import { usageError } from "./flags.ts";

/** Parses `KEY=VALUE` pairs. With `env`, a `KEY` alone takes its value from `env`, and is omitted if `env` has none. */
export function keyValues(flag: string, items: readonly string[], env?: NodeJS.ProcessEnv): Record<string, string> {
  const pairs: [string, string][] = [];
  for (const item of items) {
    const at = item.indexOf("=");
    const key = at < 0 ? item : item.slice(0, at);
    if (key === "") throw usageError(`Cannot read --${flag} ${JSON.stringify(item)}: the name is empty`);
    if (at >= 0) pairs.push([key, item.slice(at + 1)]);
    else if (env === undefined) pairs.push([key, ""]);
    else if (Object.hasOwn(env, key) && env[key] !== undefined) pairs.push([key, env[key]]);
  }
  return Object.fromEntries(pairs);
}

/** Splits a comma-separated line in the same way as docker: `a,"b,c",d` has three fields. */
export function csvFields(text: string): string[] {
  try {
    return csvLine(text);
  } catch (error) {
    const why = messageOf(error);
    throw usageError(`Cannot read ${JSON.stringify(text)}: ${why}`);
  }
}

/** Parses `type=oci,dest=out.tar`. Keys become lower case. A field without "=" is a key with an empty value. */
export function attributes(text: string): Record<string, string> {
  return Object.fromEntries(
    csvFields(text).map((field) => {
      const at = field.indexOf("=");
      return at < 0 ? [field.trim().toLowerCase(), ""] : [field.slice(0, at).trim().toLowerCase(), field.slice(at + 1)];
    }),
  );
}

const UNITS: Readonly<Record<string, number>> = { "": 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** Parses a size with binary units, such as `64m`, `1g` or `512`, like `docker build --shm-size`. Returns bytes. */
export function byteSize(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (match === null) throw usageError(`Cannot read --${flag} ${JSON.stringify(text)}: expected a size such as 64m`);
  const bytes = Math.floor(Number(match[1]) * (UNITS[(match[2] ?? "").toLowerCase()] ?? 1));
  if (!Number.isSafeInteger(bytes)) throw usageError(`Cannot read --${flag} ${JSON.stringify(text)}: it is too large`);
  return bytes;
}

/** Parses a duration: `48h`, `1h30m`, `7d`, or whole seconds. Returns milliseconds. */
export function duration(flag: string, text: string): number {
  const ms = readDuration(text);
  if (ms === undefined)
    throw usageError(`Cannot read --${flag} ${JSON.stringify(text)}: expected a duration such as 48h`);
  return ms;
}

/** Formats a number of bytes with decimal units, as docker prints it: `12.3MB`. */
export function humanSize(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : Number(value.toPrecision(4))}${units[unit]}`;
}

/** Formats an age in ms: `3 hours ago`. */
export function humanAge(ms: number): string {
  if (Number.isNaN(ms)) return "unknown";
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const steps: readonly [number, string][] = [
    [31_536_000, "year"],
    [2_592_000, "month"],
    [604_800, "week"],
    [86_400, "day"],
    [3600, "hour"],
    [60, "minute"],
    [1, "second"],
  ];
  const [size, name] = steps.find(([size]) => seconds >= size) ?? [1, "second"];
  const count = Math.floor(seconds / size);
  return count === 0 ? "just now" : `${count} ${name}${count === 1 ? "" : "s"} ago`;
}

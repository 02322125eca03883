import { readFileSync } from "node:fs";

/** Consecutive ids of a user namespace, and what they are outside. */
export interface IdRange {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

/** Which ids a user namespace has: user_namespaces(7). */
export interface IdMaps {
  readonly users: readonly IdRange[];
  readonly groups: readonly IdRange[];
}

/** All ids but the last one, which stands for "none". */
const ALL_IDS = 4_294_967_295;

let own: IdMaps | "identity" | undefined;

/**
 * Returns which ids the user namespace of this process has; undefined if it has all of them under their own numbers, as the machine's
 * first namespace has. Read once: a map is written once.
 */
export function ownIdMaps(): IdMaps | undefined {
  own ??= readIdMaps() ?? "identity";
  return own === "identity" ? undefined : own;
}

function readIdMaps(): IdMaps | undefined {
  const users = parseIdMap(readFileSync("/proc/self/uid_map", "latin1"));
  if (isIdentity(users)) return undefined;
  return { users, groups: parseIdMap(readFileSync("/proc/self/gid_map", "latin1")) };
}

/** Parses the text of `uid_map` or `gid_map`. */
export function parseIdMap(text: string): IdRange[] {
  return [...text.matchAll(/^\s*(\d+)\s+(\d+)\s+(\d+)\s*$/gm)].map(([, inside, outside, count]) => ({
    inside: Number(inside),
    outside: Number(outside),
    count: Number(count),
  }));
}

function isIdentity([range, ...more]: readonly IdRange[]): boolean {
  return range?.inside === 0 && range.outside === 0 && range.count === ALL_IDS && more.length === 0;
}

/** Returns whether ranges have an id inside. */
export function hasId(ranges: readonly IdRange[], id: number): boolean {
  return ranges.some(({ inside, count }) => id >= inside && id < inside + count);
}

/** Returns a map as text that is the same for equal maps: `0:1001:1,1:100000:65536`. */
export function formatIdMap(ranges: readonly IdRange[]): string {
  return ranges.map(({ inside, outside, count }) => `${inside}:${outside}:${count}`).join(",");
}

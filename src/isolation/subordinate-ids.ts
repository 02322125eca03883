import type { IdMaps, IdRange } from "../linux/index.ts";

/** Ids that a user may give to the processes of a user namespace: a line of /etc/subuid or /etc/subgid. */
export interface SubordinateRange {
  readonly first: number;
  readonly count: number;
}

/** A user, as a line of /etc/subuid names one. */
export interface SubordinateOwner {
  /** Undefined if the user has no name. */
  readonly name: string | undefined;
  readonly uid: number;
}

/** The largest id. The one above stands for "none". */
const MAX_ID = 4_294_967_294;
/** The kernel's limit on the lines of a map: user_namespaces(7). */
const MAX_RANGES = 340;

/**
 * Parses the ranges of a user, subuid(5), in the order of the file. A line may name the user or give its number. Lines that are malformed
 * are passed over, as newuidmap does.
 */
export function parseSubordinateIds(text: string, { name, uid }: SubordinateOwner): SubordinateRange[] {
  return text.split("\n").flatMap((line) => {
    const [owner = "", first = "", count = "", ...rest] = line.trim().split(":");
    const isOwn = owner !== "" && (owner === name || owner === String(uid));
    if (!isOwn || rest.length > 0 || !/^\d+$/.test(first) || !/^\d+$/.test(count)) return [];
    return inRange({ first: Number(first), count: Number(count) });
  });
}

/** Parses what `getsubids USER` prints: a line for each range, as `0: alice 100000 65536`. */
export function parseGetsubids(text: string): SubordinateRange[] {
  return [...text.matchAll(/^\d+: \S+ (\d+) (\d+)\s*$/gm)].flatMap(([, first, count]) =>
    inRange({ first: Number(first), count: Number(count) }),
  );
}

function inRange({ first, count }: SubordinateRange): SubordinateRange[] {
  return first <= MAX_ID && count > 0 ? [{ first, count: Math.min(count, MAX_ID - first + 1) }] : [];
}

/**
 * Returns the map in which `own` is 0, and the ranges follow from 1 on, one after the other. What a range has in common with an earlier
 * one is left out, because the kernel refuses a map with an id twice.
 */
export function mapOf(own: number, ranges: readonly SubordinateRange[]): IdRange[] {
  const map: IdRange[] = [{ inside: 0, outside: own, count: 1 }];
  let inside = 1;
  for (const range of ranges.flatMap((each) => without(each, own))) {
    const left = map.reduce<SubordinateRange>(beyond, range);
    const count = Math.min(left.count, MAX_ID - inside + 1);
    if (count <= 0 || map.length >= MAX_RANGES) continue;
    map.push({ inside, outside: left.first, count });
    inside += count;
  }
  return map;
}

/** The parts of a range before and after an id. */
function without({ first, count }: SubordinateRange, id: number): SubordinateRange[] {
  if (id < first || id >= first + count) return [{ first, count }];
  return [
    { first, count: id - first },
    { first: id + 1, count: first + count - id - 1 },
  ];
}

/** The part of a range before another one, or after it if the other one has its start. */
function beyond({ first, count }: SubordinateRange, other: IdRange): SubordinateRange {
  const [end, otherEnd] = [first + count, other.outside + other.count];
  if (end <= other.outside || first >= otherEnd) return { first, count };
  if (first < other.outside) return { first, count: other.outside - first };
  return { first: otherEnd, count: end - otherEnd };
}

/** Returns a map as the arguments of newuidmap(1) after the process. */
export function mapArguments(map: readonly IdRange[]): string[] {
  return map.flatMap(({ inside, outside, count }) => [inside, outside, count].map(String));
}

/** Returns how many ids a namespace has: the fewer of users and groups. */
export function idCount({ users, groups }: IdMaps): number {
  const sum = (ranges: readonly IdRange[]): number => ranges.reduce((total, { count }) => total + count, 0);
  return Math.min(sum(users), sum(groups));
}

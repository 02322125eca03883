import { VarveError } from "../core/index.ts";
import { statfs } from "node:fs/promises";
import type { PruneRequest } from "../record/index.ts";

/** An amount of disk space: bytes, or a part of the disk. */
export type DiskSpace = number | { readonly percent: number };

/** A rule of automatic collection: a prune request whose sizes may depend on the disk. */
export interface CollectionPolicy extends Pick<PruneRequest, "filters" | "all" | "keepDuration"> {
  readonly reservedSpace?: DiskSpace | undefined;
  readonly maxUsedSpace?: DiskSpace | undefined;
  readonly minFreeSpace?: DiskSpace | undefined;
}

/** What is collected without being asked. */
export interface CollectionSettings extends Pick<CollectionPolicy, "reservedSpace" | "maxUsedSpace" | "minFreeSpace"> {
  /** Default: true. */
  readonly enabled?: boolean | undefined;
  /** Replaces the default policies, for which the three sizes are. */
  readonly policies?: readonly CollectionPolicy[] | undefined;
}

const GB = 1e9;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** The size of a part of a disk whose size is unknown. */
const UNKNOWN_DISK = 2 * GB;

/** BuildKit's policies. If no size is given, the sizes are those that BuildKit chooses for the disk. */
function defaultPolicies(settings: CollectionSettings, disk: number): CollectionPolicy[] {
  const { reservedSpace, maxUsedSpace, minFreeSpace } = settings;
  const isGiven = [reservedSpace, maxUsedSpace, minFreeSpace].some((space) => space !== undefined && space !== 0);
  const sizes = isGiven
    ? { reservedSpace, maxUsedSpace, minFreeSpace }
    : {
        reservedSpace: Math.min(bytesOf({ percent: 10 }, disk), 10 * GB),
        maxUsedSpace: Math.min(bytesOf({ percent: 80 }, disk), 100 * GB),
        minFreeSpace: { percent: 20 },
      };
  return [
    {
      filters: ["type==source.local", "type==exec.cachemount", "type==source.git.checkout"],
      keepDuration: 48 * HOUR,
      maxUsedSpace: 512e6,
    },
    { ...sizes, keepDuration: 60 * DAY },
    sizes,
    { ...sizes, all: true },
  ];
}

/**
 * Returns the prune requests of the settings, in order, for the disk that a directory is on. None if nothing is collected.
 *
 * @see moby/buildkit cmd/buildkitd/config/gcpolicy.go
 */
export async function collectionRequests(settings: CollectionSettings, directory: string): Promise<PruneRequest[]> {
  return requestsFor(settings, await diskSize(directory));
}

/** As `collectionRequests`, for a disk of a size; 0 means that its size is unknown. */
export function requestsFor(settings: CollectionSettings, disk: number): PruneRequest[] {
  if (settings.enabled === false) return [];
  const policies = settings.policies ?? defaultPolicies(settings, disk);
  return policies.map(({ reservedSpace, maxUsedSpace, minFreeSpace, ...policy }) => ({
    ...policy,
    reservedSpace: bytesOf(reservedSpace, disk),
    maxUsedSpace: bytesOf(maxUsedSpace, disk),
    minFreeSpace: bytesOf(minFreeSpace, disk),
  }));
}

async function diskSize(directory: string): Promise<number> {
  const { blocks, bsize } = await statfs(directory);
  return blocks * bsize;
}

/** A part of a disk is rounded up: BuildKit counts GiB and takes them for GB. */
function bytesOf(space: DiskSpace = 0, disk: number): number {
  if (typeof space === "number") return space;
  if (space.percent === 0) return 0;
  if (disk === 0) return UNKNOWN_DISK;
  return (Math.floor((disk * space.percent) / 100 / 2 ** 30) + 1) * GB;
}

const UNITS: ReadonlyMap<string, number> = new Map(
  ["", "k", "m", "g", "t", "p"].map((unit, power) => [unit, 1024 ** power]),
);

/**
 * Parses an amount of disk space: `10GB` (units are binary), a number of bytes, or `20%`.
 *
 * @throws {VarveError} `invalid-argument`.
 */
export function parseDiskSpace(text: string): DiskSpace {
  const percent = /^(\d{1,3})%$/.exec(text)?.[1];
  if (percent !== undefined && Number(percent) <= 100) return { percent: Number(percent) };
  const [, number, unit = ""] = /^(\d{1,15}(?:\.\d{1,9})?) ?([kmgtp]?)i?b?$/i.exec(text) ?? [];
  const bytes = Math.floor(Number(number) * (UNITS.get(unit.toLowerCase()) ?? Number.NaN));
  if (!Number.isSafeInteger(bytes)) throw new VarveError("invalid-argument", `invalid disk space ${text}`);
  return bytes;
}

import {
  type Digest,
  type Platform,
  VarveError,
  formatGoTime,
  normalizePlatform,
  parseGoTime,
  NS_PER_SECOND,
} from "../core/index.ts";
import { isDeepStrictEqual } from "node:util";
import { type LayerOrigin, normalizeHistory } from "./history.ts";
import type { HistoryEntry, ImageConfig } from "./types.ts";

/** The `PATH` of an image that sets none. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A layer of the exported image. */
export interface ExportedLayer extends LayerOrigin {
  readonly diffId: Digest;
}

/** Options of `patchImageConfig`. */
export interface PatchOptions {
  /** The image's layers, lowest first. */
  readonly layers: readonly ExportedLayer[];
  /** `SOURCE_DATE_EPOCH` in seconds since 1970. Later times of this build are replaced by it. */
  readonly epoch?: number | undefined;
  /** The config of the base image. Its part of the history keeps its times. */
  readonly base?: ImageConfig | undefined;
  /** The inline cache, as `inlineCache` of `remotecache/` returns it. */
  readonly inlineCache?: Uint8Array | undefined;
}

/** The result of `patchImageConfig`. */
export interface PatchedConfig {
  readonly config: ImageConfig;
  /** True if the history had more layers than exist. */
  readonly unaccounted: boolean;
}

/** Returns the config of an image for a filesystem without one. */
export function defaultImageConfig(platform: Platform): ImageConfig {
  const { os, architecture, variant, osVersion, osFeatures } = normalizePlatform(platform);
  return {
    architecture,
    os,
    ...(variant === undefined ? {} : { variant }),
    ...(osVersion === undefined ? {} : { "os.version": osVersion }),
    ...(osFeatures === undefined ? {} : { "os.features": osFeatures }),
    config: { ...(os === "windows" ? {} : { Env: [`PATH=${DEFAULT_PATH}`] }), WorkingDir: "/" },
    rootfs: { type: "layers", diff_ids: [] },
    history: [],
  };
}

function nanoseconds(epoch: number): bigint {
  return BigInt(epoch) * NS_PER_SECOND;
}

function isLater(time: string, epoch: number): boolean {
  const ns = parseGoTime(time);
  if (ns === undefined)
    throw new VarveError("corrupt", `Cannot read image config: ${JSON.stringify(time.slice(0, 80))} is not a time`);
  return ns > nanoseconds(epoch);
}

/** Limits the times of entries to the epoch, except for the leading entries that equal those of the base image. */
function clampHistory(
  history: readonly HistoryEntry[],
  base: readonly HistoryEntry[],
  epoch: number,
): readonly HistoryEntry[] {
  const other = history.findIndex((entry, index) => !isDeepStrictEqual(entry, base[index]));
  return history.map((entry, index) => {
    if (other < 0 || index < other) return entry;
    if (entry.created !== undefined && !isLater(entry.created, epoch)) return entry;
    return { ...entry, created: formatGoTime(nanoseconds(epoch)) };
  });
}

function creationTime(config: ImageConfig, history: readonly HistoryEntry[], epoch: number | undefined): string | null {
  const { created } = config;
  if (created === undefined) return history.findLast((entry) => entry.created !== undefined)?.created ?? null;
  if (created === null || epoch === undefined || !isLater(created, epoch)) return created;
  return formatGoTime(nanoseconds(epoch));
}

/** Adds the inline cache in base64, as Go writes bytes in JSON. */
function withInlineCache(config: ImageConfig, cache: Uint8Array | undefined): Pick<ImageConfig, "unknown"> {
  if (cache === undefined) return config.unknown === undefined ? {} : { unknown: config.unknown };
  const text = Buffer.from(cache).toString("base64");
  return { unknown: new Map([...(config.unknown ?? []), ["moby.buildkit.cache.v0", text]]) };
}

/**
 * Adjusts a config to the exported layers, as BuildKit does: sets the diffIDs, the history, the creation time and the inline cache.
 *
 * @throws {VarveError} `invalid-build` if the config has no platform; `corrupt` for a malformed time.
 */
export function patchImageConfig(config: ImageConfig, options: PatchOptions): PatchedConfig {
  for (const field of ["os", "architecture"] as const)
    if (config[field] === "")
      throw new VarveError("invalid-build", `Cannot export image: invalid image config for export: missing ${field}`);
  const { layers, epoch, base, inlineCache } = options;
  const normalized = normalizeHistory(config.history, layers);
  const history =
    epoch === undefined ? normalized.history : clampHistory(normalized.history, base?.history ?? [], epoch);
  return {
    config: {
      ...config,
      created: creationTime(config, history, epoch),
      rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
      history,
      ...withInlineCache(config, inlineCache),
    },
    unaccounted: normalized.unaccounted,
  };
}

import { type Digest, type Platform, VarveError, formatGoTime, normalizePlatform, parseGoTime } from "../core/index.ts";
import { isDeepStrictEqual } from "node:util";
import { type LayerOrigin, normalizeHistory } from "./history.ts";
import type { HistoryEntry, ImageConfig } from "./types.ts";

/** The search path of an image that sets none. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface ExportedLayer extends LayerOrigin {
  readonly diffId: Digest;
}

export interface PatchOptions {
  /** The image's layers, lowest first. */
  readonly layers: readonly ExportedLayer[];
  /** Seconds since 1970: no time that this build has made is later. */
  readonly epoch?: number | undefined;
  /** The config of the image that this one was built on: its part of the history keeps its times. */
  readonly base?: ImageConfig | undefined;
  /** The inline cache: any JSON, as the cache exporter wrote it. */
  readonly inlineCache?: Uint8Array | undefined;
}

export interface PatchedConfig {
  readonly config: ImageConfig;
  /** True if the config spoke of layers that do not exist. */
  readonly unaccounted: boolean;
}

/** The config of a filesystem that comes with none. */
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
  return BigInt(epoch) * 1_000_000_000n;
}

function isLater(time: string, epoch: number): boolean {
  const ns = parseGoTime(time);
  if (ns === undefined)
    throw new VarveError("corrupt", `Cannot read image config: ${JSON.stringify(time.slice(0, 80))} is not a time`);
  return ns > nanoseconds(epoch);
}

/** Entries that are the base image's, from the first on, keep their times; those after the first other one do not. */
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

/** Base64, which is how Go writes bytes in JSON. */
function withInlineCache(config: ImageConfig, cache: Uint8Array | undefined): Pick<ImageConfig, "unknown"> {
  if (cache === undefined) return config.unknown === undefined ? {} : { unknown: config.unknown };
  const text = Buffer.from(cache).toString("base64");
  return { unknown: new Map([...(config.unknown ?? []), ["moby.buildkit.cache.v0", text]]) };
}

/**
 * Makes a config fit the layers it is exported with: diffIDs, history, time of creation, inline cache. Throws
 * `invalid-build` if it names no platform.
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

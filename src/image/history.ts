import type { HistoryEntry } from "./types.ts";

/** What is known of a layer besides its bytes. */
export interface LayerOrigin {
  /** RFC 3339, when its record was made. */
  readonly createdAt?: string;
  /** What made it; "created by buildkit" in the history if nothing is known. */
  readonly description?: string;
}

export interface NormalizedHistory {
  readonly history: readonly HistoryEntry[];
  /** True if the config spoke of layers that do not exist; those entries are marked empty. */
  readonly unaccounted: boolean;
}

const isEmpty = (entry: HistoryEntry): boolean => entry.empty_layer === true;

/** Entries that claim a layer beyond the last one make none. */
function markUnaccounted(history: readonly HistoryEntry[], layers: number): HistoryEntry[] {
  let seen = 0;
  return history.map((entry) => {
    if (isEmpty(entry)) return entry;
    seen += 1;
    return seen > layers ? { ...entry, empty_layer: true } : entry;
  });
}

function created(entry: HistoryEntry, time: string | undefined): HistoryEntry {
  return time === undefined || entry.created !== undefined ? entry : { created: time, ...entry };
}

function entryOfLayer(layer: LayerOrigin): HistoryEntry {
  return {
    ...(layer.createdAt === undefined ? {} : { created: layer.createdAt }),
    created_by: layer.description === undefined || layer.description === "" ? "created by buildkit" : layer.description,
    comment: "buildkit.exporter.image.v0",
  };
}

function takeLayerTimes(history: readonly HistoryEntry[], layers: readonly LayerOrigin[]): HistoryEntry[] {
  let next = 0;
  return history.map((entry) => {
    if (isEmpty(entry)) return entry;
    const layer = layers[next];
    next += 1;
    return created(entry, layer?.createdAt);
  });
}

/** The time an untimed entry at the front takes: the first after it, or the last of all if none follows one. */
function firstFill(history: readonly HistoryEntry[]): string | undefined {
  const untimed = history.findIndex((entry) => entry.created === undefined);
  const after = history.find((entry, index) => index > untimed && entry.created !== undefined);
  return after?.created ?? history.findLast((entry) => entry.created !== undefined)?.created;
}

function fillTimes(history: readonly HistoryEntry[]): HistoryEntry[] {
  let fill = firstFill(history);
  let untimed = false;
  return history.map((entry) => {
    if (entry.created === undefined) {
      untimed = true;
      return created(entry, fill);
    }
    if (untimed) fill = entry.created;
    return entry;
  });
}

/**
 * Makes a history fit its layers (lowest first), as BuildKit does on export: one entry that is not empty for each layer,
 * and a time for every entry if any is known.
 */
export function normalizeHistory(history: readonly HistoryEntry[], layers: readonly LayerOrigin[]): NormalizedHistory {
  const claimed = history.filter((entry) => !isEmpty(entry)).length;
  const accounted = claimed > layers.length ? markUnaccounted(history, layers.length) : history;
  const missing = layers.slice(Math.min(claimed, layers.length)).map(entryOfLayer);
  return {
    history: fillTimes(takeLayerTimes([...accounted, ...missing], layers)),
    unaccounted: claimed > layers.length,
  };
}

import type { HistoryEntry } from "./types.ts";

/** Where a layer came from. */
export interface LayerOrigin {
  /** The time when its record was made, in RFC 3339. */
  readonly createdAt?: string;
  /** The step that made it. Default: "created by buildkit". */
  readonly description?: string;
}

/** The result of `normalizeHistory`. */
export interface NormalizedHistory {
  readonly history: readonly HistoryEntry[];
  /** True if the history had more layers than exist. The surplus entries are marked empty. */
  readonly unaccounted: boolean;
}

const isEmpty = (entry: HistoryEntry): boolean => entry.empty_layer === true;

/** Marks entries for layers beyond the last one as empty. */
function markUnaccounted(history: readonly HistoryEntry[], layers: number): HistoryEntry[] {
  let count = 0;
  return history.map((entry) => {
    if (isEmpty(entry)) return entry;
    count += 1;
    return count > layers ? { ...entry, empty_layer: true } : entry;
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

/** Returns the time for untimed entries at the front: the first time after them, or the last time of all if there is none. */
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
 * Adjusts a history to its layers (lowest first), as BuildKit does on export. The result has one non-empty entry for each layer,
 * and every entry has a time if any time is known.
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

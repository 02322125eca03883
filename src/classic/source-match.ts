import type { LocalImages } from "../images/index.ts";
import {
  type HistoryEntry,
  type ImageConfig,
  type ImageLayer,
  type LocalImage,
  matchesPlatform,
} from "../image/index.ts";
import { isDeepStrictEqual } from "node:util";
import { createdBy, isUnambiguous } from "./created-by.ts";
import type { ProbeStep } from "./types.ts";

/** The parent image of a step. It may be one that is not restored yet. */
export type ParentImage = Pick<LocalImage, "id" | "config" | "layers">;

/** Step `n` of a cache source matches the step. `layer` is the layer that it made, if any. */
export interface SourceMatch {
  readonly source: LocalImage;
  readonly n: number;
  readonly layer: ImageLayer | undefined;
  /** True if it is the source's last step. */
  readonly last: boolean;
}

function countLayers(history: readonly HistoryEntry[]): number {
  return history.filter((entry) => entry.empty_layer !== true).length;
}

function beginsWith<T>(whole: readonly T[], start: readonly T[]): boolean {
  return start.length <= whole.length && start.every((item, index) => isDeepStrictEqual(item, whole[index]));
}

/** True if the source begins with the parent's history and layers, and each of the parent's layers has a history entry. */
function isBuiltOn(source: ImageConfig, parent: ImageConfig): boolean {
  return (
    parent.history.length < source.history.length &&
    countLayers(parent.history) === parent.rootfs.diff_ids.length &&
    beginsWith(source.history, parent.history) &&
    beginsWith(source.rootfs.diff_ids, parent.rootfs.diff_ids)
  );
}

/**
 * Returns the step of a cache source after `below`, if it matches: it has the same unambiguous text and platform, and its layer is
 * in the store.
 */
export function matchSource(
  source: LocalImage,
  step: ProbeStep,
  below: ParentImage | undefined,
  { content }: Pick<LocalImages, "content">,
): SourceMatch | undefined {
  const { history } = source.config;
  const n = below?.config.history.length ?? 0;
  const entry = history[n];
  if (entry === undefined || entry.created_by !== createdBy(step)) return undefined;
  if (below !== undefined && !isBuiltOn(source.config, below.config)) return undefined;
  if (!matchesPlatform(step.platform, source.config) || !isUnambiguous(step, source)) return undefined;
  const last = n === history.length - 1;
  if (entry.empty_layer === true) return { source, n, layer: undefined, last };
  const layer = source.layers[countLayers(history.slice(0, n))];
  if (layer === undefined || content.info(layer.descriptor.digest) === undefined) return undefined;
  return { source, n, layer, last };
}

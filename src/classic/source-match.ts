import type { LocalImages } from "../images/index.ts";
import {
  type HistoryEntry,
  type ImageConfig,
  type ImageLayer,
  type LocalImage,
  matchesPlatform,
} from "../image/index.ts";
import { isDeepStrictEqual } from "node:util";
import { createdBy, isCertain } from "./created-by.ts";
import type { ProbeStep } from "./types.ts";

/** What a step is laid upon: an image, or one that a source could be restored to. */
export type Below = Pick<LocalImage, "id" | "config" | "layers">;

/** Step `n` of a source is the step that was asked for; `layer` is what it made, if anything. */
export interface SourceMatch {
  readonly source: LocalImage;
  readonly n: number;
  readonly layer: ImageLayer | undefined;
  /** True if it is the source's last step. */
  readonly last: boolean;
}

const filled = (history: readonly HistoryEntry[]): number =>
  history.filter((entry) => entry.empty_layer !== true).length;

function beginsWith<T>(whole: readonly T[], start: readonly T[]): boolean {
  return start.length <= whole.length && start.every((item, index) => isDeepStrictEqual(item, whole[index]));
}

/** A source can stand on a parent whose history and layers it begins with, and whose layers all have their entry. */
function standsOn(source: ImageConfig, parent: ImageConfig): boolean {
  return (
    parent.history.length < source.history.length &&
    filled(parent.history) === parent.rootfs.diff_ids.length &&
    beginsWith(source.history, parent.history) &&
    beginsWith(source.rootfs.diff_ids, parent.rootfs.diff_ids)
  );
}

/**
 * The step of a source that comes after `below`, if it is the one that was asked for: same text, read in one way only, for
 * the same platform, and with its layer in the store.
 */
export function matchSource(
  source: LocalImage,
  step: ProbeStep,
  below: Below | undefined,
  { content }: Pick<LocalImages, "content">,
): SourceMatch | undefined {
  const { history } = source.config;
  const n = below?.config.history.length ?? 0;
  const entry = history[n];
  if (entry === undefined || entry.created_by !== createdBy(step)) return undefined;
  if (below !== undefined && !standsOn(source.config, below.config)) return undefined;
  if (!matchesPlatform(step.platform, source.config) || !isCertain(step, source)) return undefined;
  const last = n === history.length - 1;
  if (entry.empty_layer === true) return { source, n, layer: undefined, last };
  const layer = source.layers[filled(history.slice(0, n))];
  if (layer === undefined || content.info(layer.descriptor.digest) === undefined) return undefined;
  return { source, n, layer, last };
}

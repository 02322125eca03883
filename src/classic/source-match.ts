import type { LocalImages } from "../images/index.ts";
import {
  type HistoryEntry,
  type ImageConfig,
  type ImageLayer,
  type LocalImage,
  matchesPlatform,
} from "../image/index.ts";
import { isDeepStrictEqual } from "node:util";
import { type Digest, formatPlatform } from "../core/index.ts";
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

/** Why a cache source has no step that matches. Steps are counted from 0, those of the source's base included. */
export type SourceMiss =
  /** It is not made of the images of the steps before. `n`: the first step that differs. */
  | { readonly kind: "other-base"; readonly n: number; readonly before: string; readonly after: string }
  /** It has no step `n`. */
  | { readonly kind: "shorter"; readonly n: number }
  /** Its step `n` has another text in its history. */
  | { readonly kind: "other-step"; readonly n: number; readonly before: string; readonly after: string }
  | { readonly kind: "other-platform"; readonly n: number; readonly before: string; readonly after: string }
  /** The text may be that of another step. */
  | { readonly kind: "ambiguous"; readonly n: number }
  /** The layer of the step is not in the store. */
  | { readonly kind: "no-layer"; readonly n: number; readonly layer: Digest | undefined };

/** Returns why `matchSource` finds nothing in a cache source; undefined if it does find a step. */
export function whyNoMatch(
  source: LocalImage,
  step: ProbeStep,
  below: ParentImage | undefined,
  store: Pick<LocalImages, "content">,
): SourceMiss | undefined {
  if (matchSource(source, step, below, store) !== undefined) return undefined;
  const { history } = source.config;
  const n = below?.config.history.length ?? 0;
  const after = createdBy(step);
  const entry = history[n];
  if (below !== undefined && !beginsWith(history, below.config.history)) return otherBase(source, below);
  if (entry === undefined) return { kind: "shorter", n };
  if (below !== undefined && !isBuiltOn(source.config, below.config)) return otherBase(source, below);
  if (entry.created_by !== after) return { kind: "other-step", n, before: entry.created_by ?? "", after };
  if (!matchesPlatform(step.platform, source.config)) {
    const { architecture, os, variant } = source.config;
    const before = formatPlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) });
    return { kind: "other-platform", n, before, after: formatPlatform(step.platform) };
  }
  if (!isUnambiguous(step, source)) return { kind: "ambiguous", n };
  return { kind: "no-layer", n, layer: source.layers[countLayers(history.slice(0, n))]?.descriptor.digest };
}

/** Names the first step that a source and an image do not have in common. */
function otherBase(source: LocalImage, { config: { history } }: ParentImage): SourceMiss {
  const theirs = source.config.history;
  const n = history.findIndex((entry, index) => !isDeepStrictEqual(entry, theirs[index]));
  const at = Math.max(0, n);
  const textOf = (entry: HistoryEntry | undefined): string => entry?.created_by ?? "";
  return { kind: "other-base", n: at, before: textOf(theirs[at]), after: textOf(history[at]) };
}

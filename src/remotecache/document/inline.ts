import { Annotation, type Descriptor, type Digest, VarveError } from "../../core/index.ts";
import type { HistoryEntry, ImageConfig } from "../../image/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import { type ConfigChain, type ConfigRecord, type ConfigResult, encodeRecords, parseRecords } from "./config.ts";
import type { CacheGraph } from "./graph.ts";
import type { CacheNode, CacheResult } from "./graph-types.ts";
import { indexedInputs, orderedRecords } from "./record-order.ts";
import { graphOf } from "./read-graph.ts";

/** The field of an image config that contains a cache: base64 of a list of records whose layers are those of the image. */
export const INLINE_FIELD = "moby.buildkit.cache.v0";

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** A layer in the final manifest of an image. */
export interface ImageBlob {
  readonly digest: Digest;
  readonly diffId?: Digest | undefined;
}

/**
 * Returns the value of `INLINE_FIELD` for an image with these layers. Records keep only the results that consist of layers of the
 * image. Returns undefined if there is no such result. A layer belongs to the image if the digest or the diffID is equal; the
 * latter is the same layer with another compression.
 */
export function inlineRecords(graph: CacheGraph, imageLayers: readonly ImageBlob[]): string | undefined {
  const nodes = orderedRecords(graph);
  const indices = new Map(nodes.map((node, index) => [node, index]));
  const records = nodes.map((node) => inlineRecord(node, indices, imageLayers));
  if (records.every(({ results, chains }) => results.length + chains.length === 0)) return undefined;
  return Buffer.from(encodeRecords(records)).toString("base64");
}

function inlineRecord(
  node: CacheNode,
  indices: ReadonlyMap<CacheNode, number>,
  imageLayers: readonly ImageBlob[],
): ConfigRecord {
  const results = new Map<number, ConfigResult>();
  const chains = new Map<string, ConfigChain>();
  for (const { layers, createdAt } of node.results) {
    const at = positions(layers, imageLayers);
    if (at === undefined) continue;
    const layer = at.length - 1;
    const isPrefix = at.every((position, index) => position === index);
    if (isPrefix && !results.has(layer)) results.set(layer, { layer, createdAt });
    if (!isPrefix && !chains.has(at.join())) chains.set(at.join(), { layers: at, createdAt });
  }
  const { digest } = node;
  return { results: [...results.values()], chains: [...chains.values()], digest, inputs: indexedInputs(node, indices) };
}

/** Returns the position of each layer of a result in the image, preferably the same one; undefined if the image lacks a layer. */
function positions(layers: CacheResult["layers"], imageLayers: readonly ImageBlob[]): number[] | undefined {
  const found = layers.map((layer, height) => {
    const same = imageLayers[height];
    return same !== undefined && isSame(layer, same) ? height : imageLayers.findIndex((one) => isSame(layer, one));
  });
  return found.includes(-1) ? undefined : found;
}

function isSame(layer: RemoteLayer, image: ImageBlob): boolean {
  return layer.digest === image.digest || layer.diffId === image.digest || layer.diffId === image.diffId;
}

/** Options of `inlineGraph`. */
export interface InlineOptions {
  /** Where the layers can be fetched; see `CacheOrigin`. */
  readonly source?: string;
  readonly onWarning?: (message: string) => void;
}

/**
 * Returns the cache in an image's config. Returns undefined if there is none, or, with a warning, if the config does not describe
 * the layers of the manifest.
 *
 * @throws {VarveError} `corrupt` for a malformed cache.
 */
export function inlineGraph(
  { layers }: { readonly layers: readonly Descriptor[] },
  config: ImageConfig,
  { source, onWarning = () => undefined }: InlineOptions = {},
): CacheGraph | undefined {
  const value = config.unknown?.get(INLINE_FIELD) ?? undefined;
  if (value === undefined || layers.length === 0) return undefined;
  const { diff_ids: diffIds } = config.rootfs;
  if (diffIds.length !== layers.length) {
    onWarning(`The cache in an image is ignored: the image has ${layers.length} layers and ${diffIds.length} diffIDs`);
    return undefined;
  }
  if (typeof value !== "string" || !BASE64.test(value.replaceAll(/[\r\n]/g, "")))
    throw new VarveError("corrupt", `Cannot read inline cache: field ${INLINE_FIELD} is not base64`);
  const records = parseRecords(Buffer.from(value, "base64"));
  const history = config.history.filter(({ empty_layer: isEmpty }) => isEmpty !== true);
  const described = diffIds.flatMap((diffId, at) => {
    const layer = layers[at];
    return layer === undefined ? [] : [describe(layer, diffId, history[at])];
  });
  const chain = layers.map(({ digest }, at) => ({ blob: digest, parent: at - 1 }));
  const byDigest = new Map(described.map((layer) => [layer.digest, layer]));
  return graphOf({ layers: chain, records, scopes: [], names: [] }, byDigest, source);
}

/** Adds what the config says about a layer to its descriptor. The history may have fewer entries than there are layers. */
function describe(layer: Descriptor, diffId: Digest, { created, created_by: by }: HistoryEntry = {}): Descriptor {
  const annotations = {
    ...layer.annotations,
    [Annotation.uncompressed]: diffId,
    ...(created === undefined ? {} : { [Annotation.createdAt]: created }),
    ...(by === undefined ? {} : { [Annotation.description]: by }),
  };
  return { ...layer, annotations };
}

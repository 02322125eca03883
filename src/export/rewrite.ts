import { Annotation, type Digest, type LayerCompression, isVarveError } from "../core/index.ts";
import type { Bytes } from "../io/index.ts";
import { type TarEntry, type TarInput, createLayer, readTar, writeTar } from "../layer/index.ts";
import { type LayerBlob, archiveOf } from "../record/index.ts";
import type { ExportDeps } from "./types.ts";

export interface RewriteOptions {
  /** Seconds since 1970. */
  readonly epoch: number;
  /** diffIDs of the base image: its layers, from the bottom until the first that differs, stay as they are. */
  readonly base: readonly Digest[];
  readonly compression: LayerCompression;
  readonly level: number | undefined;
}

/**
 * Rewrites layers so that no entry is younger than the epoch. A layer that cannot be rewritten is kept, with a warning; one
 * that cannot be had is an error.
 */
export async function rewriteLayers(
  layers: readonly LayerBlob[],
  options: RewriteOptions,
  deps: ExportDeps,
): Promise<LayerBlob[]> {
  const differs = layers.findIndex((layer, index) => !isLayer(layer, options.base[index], deps));
  const first = differs < 0 ? layers.length : differs;
  const rewritten = await Promise.all(layers.slice(first).map((layer) => tryRewrite(layer, options, deps)));
  return [...layers.slice(0, first), ...rewritten];
}

/** Whether a layer is that of the diffID, now or before it was converted. */
function isLayer(layer: LayerBlob, diffId: Digest | undefined, { records }: ExportDeps): boolean {
  return diffId !== undefined && (layer.diffId === diffId || records.get(layer.record)?.blob?.diffId === diffId);
}

async function tryRewrite(layer: LayerBlob, options: RewriteOptions, deps: ExportDeps): Promise<LayerBlob> {
  if (isRewritten(layer, options)) return layer;
  await deps.records.fetch(layer, deps.hold);
  try {
    return await deps.records.withBlob(layer, deps.hold, () => rewriteLayer(layer, options, deps));
  } catch (error) {
    if (!isVarveError(error, "corrupt", "limit-exceeded", "unsupported")) throw error;
    deps.warn(`the times in layer ${layer.descriptor.digest} could not be rewritten: ${error.message}`);
    return layer;
  }
}

function isRewritten({ descriptor }: LayerBlob, { epoch }: RewriteOptions): boolean {
  return descriptor.annotations?.[Annotation.rewrittenTimestamp] === String(epoch);
}

async function rewriteLayer(layer: LayerBlob, options: RewriteOptions, deps: ExportDeps): Promise<LayerBlob> {
  const { content, hold } = deps;
  const tar = archiveOf(content, layer.descriptor.digest, hold.signal);
  const { compression, level } = options;
  const created = createLayer(writeTar(clamped(tar, options.epoch)), { compression, level });
  const { digest, size } = await content.put(created.bytes, { lease: hold.lease, signal: hold.signal });
  const { diffId, mediaType, annotations } = await created.result;
  content.label(digest, { [Annotation.uncompressed]: diffId });
  return {
    ...layer,
    diffId,
    descriptor: {
      mediaType,
      digest,
      size,
      annotations: { ...annotations, [Annotation.rewrittenTimestamp]: String(options.epoch) },
    },
  };
}

/** The entries of a tar with later times set to the epoch; whiteouts are of 1970 and stay so. */
async function* clamped(tar: Bytes, epoch: number): AsyncGenerator<TarInput> {
  const latest = BigInt(epoch) * 1_000_000_000n;
  for await (const entry of readTar(tar, { what: "a layer" }))
    yield inputOf(entry, entry.mtime > latest ? latest : entry.mtime);
}

function inputOf({ body, rawPath: _raw, size, ...header }: TarEntry, mtime: bigint): TarInput {
  return { ...header, mtime, ...(header.type === "file" ? { body: { size, bytes: body } } : {}) };
}

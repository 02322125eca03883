import { Annotation, type Digest, type LayerCompression, isVarveError } from "../core/index.ts";
import type { Bytes } from "../io/index.ts";
import { type TarInput, createLayer, readTar, writeTar } from "../layer/index.ts";
import { type LayerBlob, archiveOf } from "../record/index.ts";
import { tarInputOf } from "./tar-input.ts";
import type { ExportDeps } from "./types.ts";

export interface RewriteOptions {
  /** Seconds since 1970. */
  readonly epoch: number;
  /** The base image's diffIDs. Its layers are not rewritten: all from the bottom up to the first that differs. */
  readonly base: readonly Digest[];
  readonly compression: LayerCompression;
  readonly level: number | undefined;
}

/**
 * Rewrites layers so that no entry is newer than the epoch. A layer that cannot be parsed is kept, with a warning. A layer that
 * cannot be fetched is an error.
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

/** True if a layer has the diffID, or had it before it was converted to another compression. */
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
    urls: [],
    diffId,
    descriptor: {
      mediaType,
      digest,
      size,
      annotations: { ...annotations, [Annotation.rewrittenTimestamp]: String(options.epoch) },
    },
  };
}

/** Yields the entries of a tar, with times after the epoch set to the epoch. */
async function* clamped(tar: Bytes, epoch: number): AsyncGenerator<TarInput> {
  const latest = BigInt(epoch) * 1_000_000_000n;
  for await (const entry of readTar(tar, { what: "a layer" }))
    yield tarInputOf(entry, { mtime: entry.mtime > latest ? latest : entry.mtime });
}

import type { Descriptor, Digest } from "../../core/index.ts";
import { type Bytes, bytesOf } from "../../io/index.ts";
import type { Hold, RemoteLayer } from "../../record/index.ts";
import type { DocumentSigner } from "../signing/trust.ts";
import type { ContainerForm } from "../document/container.ts";
import { type Composed, compose } from "./compose.ts";
import { type CacheContents, contentsOf, layersOfGraph } from "./scopes.ts";
import { type CacheTarget, type LayerSource, type Warn, warnMissing, warnOnce } from "./target.ts";
import { transferLayers } from "./transfer.ts";

/** A store of blobs without names, which somebody else keeps. */
export interface BlobReceiver {
  /** Writes a blob unless the store has it. Calls `open` at most once. */
  write(blob: Pick<Descriptor, "digest" | "size">, open: () => Bytes, signal?: AbortSignal): Promise<void>;
}

/** Options of `storeTarget`. */
export interface StoreTargetOptions {
  readonly store: BlobReceiver;
  readonly form: ContainerForm;
  readonly source: LayerSource;
  /** Whether notes of records are written. Default: true. */
  readonly noted?: boolean | undefined;
  readonly warn: Warn;
  readonly signer?: DocumentSigner | undefined;
}

/**
 * Returns a store of blobs as a target. Blobs are written before the documents that name them. The document replaces the one before,
 * because a store has no names; whoever keeps the store lets a name refer to the descriptor that `write` returns.
 */
export function storeTarget({ store, form, source, noted, warn, signer }: StoreTargetOptions): CacheTarget {
  return {
    async write({ graph, tops, stage }, scope, hold) {
      const own = contentsOf(graph, tops, scope, stage);
      const once = warnOnce(warn);
      const missingBlobs = new Set<Digest>();
      for (;;) {
        const document = compose({ existing: undefined, own, form, missingBlobs, rank: "first", noted, signer }, once);
        if (document === undefined) return undefined;
        const lost = await writeLayers(document, { own, store, source, hold });
        warnMissing(lost, once);
        if (lost.size === 0) return await writeDocument(document, store, hold);
        for (const digest of lost.keys()) missingBlobs.add(digest);
      }
    },
  };
}

interface LayerWriting extends Pick<StoreTargetOptions, "store" | "source"> {
  readonly own: CacheContents;
  readonly hold: Hold;
}

async function writeLayers(
  { contents }: Composed,
  { own, store, source, hold }: LayerWriting,
): Promise<ReadonlyMap<Digest, unknown>> {
  const known = layersOfGraph(own.graph);
  const layers = [...layersOfGraph(contents.graph).keys()].flatMap((digest): RemoteLayer[] => {
    const layer = known.get(digest);
    return layer === undefined ? [] : [layer];
  });
  return await transferLayers(layers, {
    source,
    hold,
    transfer: (layer, open, signal) => store.write(layer, () => open(0), signal),
  });
}

async function writeDocument(
  { config, manifest, notes }: Composed,
  store: BlobReceiver,
  { signal }: Hold,
): Promise<Descriptor> {
  for (const { descriptor, bytes } of [config, ...(notes === undefined ? [] : [notes]), manifest])
    await store.write(descriptor, () => bytesOf(bytes), signal);
  return manifest.descriptor;
}

import type { Digest } from "../../core/index.ts";
import { throwIfAborted } from "../../core/index.ts";
import type { Bytes } from "../../io/index.ts";
import type { Hold, RemoteLayer } from "../../record/index.ts";
import { isUnobtainable } from "./results.ts";
import type { LayerSource } from "./target.ts";

/** Brings one layer to a target that may have it already; reads `source` only if not. */
export type Bring = (layer: RemoteLayer, source: (offset: number) => Bytes, signal: AbortSignal) => Promise<void>;

/** Layers on their way at a time; a target may have a narrower bound of its own. */
const CONCURRENCY = 8;

/**
 * Brings layers to a target, several at a time. Those whose bytes cannot be had anywhere are left out and returned, with
 * why. The first other failure ends it, when all that is under way has stopped.
 */
export async function bringLayers(
  layers: Iterable<RemoteLayer>,
  { bring, source, hold }: { readonly bring: Bring; readonly source: LayerSource; readonly hold: Hold },
): Promise<ReadonlyMap<Digest, unknown>> {
  const lost = new Map<Digest, unknown>();
  const cancel = new AbortController();
  const signal = hold.signal === undefined ? cancel.signal : AbortSignal.any([hold.signal, cancel.signal]);
  let failure: { readonly error: unknown } | undefined;
  const queue = new Map(Array.from(layers, (layer) => [layer.digest, layer] as const)).values();
  const work = async (): Promise<void> => {
    for (const layer of queue) {
      if (signal.aborted) return;
      const seen: { error?: unknown } = {};
      const open = (offset: number): Bytes => watched(source(layer, offset, { ...hold, signal }), seen);
      try {
        await bring(layer, open, signal);
      } catch (error) {
        if (!signal.aborted && isUnobtainable(seen.error)) lost.set(layer.digest, seen.error);
        else {
          failure ??= { error };
          cancel.abort(error);
        }
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  throwIfAborted(hold.signal, "export cache");
  if (failure !== undefined) throw failure.error;
  return lost;
}

/** Writes down the failure of a source, to tell it from one of the target. */
async function* watched(source: Bytes, seen: { error?: unknown }): AsyncGenerator<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await chunks.next().catch((error: unknown) => {
        seen.error = error;
        throw error;
      });
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await chunks.return?.();
  }
}

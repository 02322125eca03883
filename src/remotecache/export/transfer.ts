import type { Digest } from "../../core/index.ts";
import { throwIfAborted } from "../../core/index.ts";
import type { Bytes } from "../../io/index.ts";
import type { Hold, RemoteLayer } from "../../record/index.ts";
import { isUnobtainable } from "./result-finder.ts";
import type { LayerSource } from "./target.ts";

/** Copies one layer to a target. Reads `source` only if the target does not have the layer. */
export type TransferLayer = (
  layer: RemoteLayer,
  source: (offset: number) => Bytes,
  signal: AbortSignal,
) => Promise<void>;

/** Maximum number of layers that are copied at the same time. A target may have a lower limit. */
const CONCURRENCY = 8;

/**
 * Copies layers to a target, several at a time. Returns the layers whose bytes are not available anywhere, with the errors. After
 * any other failure it cancels the running copies and throws when they have stopped.
 */
export async function transferLayers(
  layers: Iterable<RemoteLayer>,
  { transfer, source, hold }: { readonly transfer: TransferLayer; readonly source: LayerSource; readonly hold: Hold },
): Promise<ReadonlyMap<Digest, unknown>> {
  const lost = new Map<Digest, unknown>();
  const cancel = new AbortController();
  const signal = hold.signal === undefined ? cancel.signal : AbortSignal.any([hold.signal, cancel.signal]);
  let failure: { readonly error: unknown } | undefined;
  const queue = new Map(Array.from(layers, (layer) => [layer.digest, layer] as const)).values();
  const work = async (): Promise<void> => {
    for (const layer of queue) {
      if (signal.aborted) return;
      const failed: { error?: unknown } = {};
      const open = (offset: number): Bytes => recordError(source(layer, offset, { ...hold, signal }), failed);
      try {
        await transfer(layer, open, signal);
      } catch (error) {
        if (!signal.aborted && isUnobtainable(failed.error)) lost.set(layer.digest, failed.error);
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

/** Passes the bytes of a source through and records its error, to distinguish it from an error of the target. */
async function* recordError(source: Bytes, failed: { error?: unknown }): AsyncGenerator<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await chunks.next().catch((error: unknown) => {
        failed.error = error;
        throw error;
      });
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await chunks.return?.();
  }
}

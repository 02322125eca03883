import { stepOfLayers } from "../record/index.ts";
import {
  type CacheReport,
  type CacheSpec,
  type Store,
  layersOf,
  nameOf,
  noteFinder,
  resultTable,
  targetOf,
} from "../engine/index.ts";
import { localCache } from "../cache/index.ts";
import { VarveError } from "../core/index.ts";
import type { OnTransfer } from "../registry/index.ts";
import type { CacheReadOptions } from "./target.ts";

export interface ExportCacheOptions extends CacheReadOptions {
  readonly onTransfer?: OnTransfer | undefined;
}

/** The scope of an export of a whole cache where none is named. */
const WHOLE = "whole cache";

/** See `exportCache`. */
export async function exportStore(
  store: Store,
  { type, attrs }: CacheSpec,
  { signal, onWarning = () => undefined, onTransfer }: ExportCacheOptions = {},
): Promise<CacheReport> {
  const { exportStored, parseCacheExport, signedExport } = await import("../remotecache/index.ts");
  const parsed = parseCacheExport(type, { mode: "max", ...attrs });
  if (parsed.type === "inline")
    throw new VarveError("invalid-argument", "Cannot export cache: an inline cache needs an image; use varve build");
  const target = await signedExport(parsed, { machine: true });
  const to = await targetOf(target, {
    store,
    registry: store.registry,
    clouds: store.clouds,
    warn: onWarning,
    onTransfer,
  });
  await using lease = await store.content.lease();
  const hold = { lease, signal };
  const exported = await exportStored(localCache(store.state, resultTable(store.records)), {
    mode: target.mode,
    layersOf: layersOf(store, hold, target.compression),
    stepName: stepOfLayers,
    omitLayerTimes: target.compression.force,
    noteOf: target.explain ? await noteFinder(store) : undefined,
    signal,
  });
  const descriptor = await to.write(exported, target.scope ?? WHOLE, hold);
  return { type: target.type, name: nameOf(target), descriptor };
}

import { type CacheSpec, type Store, checkImports, originsOf } from "../engine/index.ts";
import { type Reference, VarveError, parseReference, withDefaultTag } from "../core/index.ts";
import type { InspectedCache } from "../remotecache/index.ts";

export interface CacheReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Something is left out, or worth knowing. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

export interface OpenedCache extends InspectedCache {
  /** For people. */
  readonly name: string;
}

/**
 * Reads a cache where it is. Throws `invalid-argument` for one that names no place, `not-found` where there is nothing, and
 * what registries throw.
 */
export async function openCache(
  store: Store,
  spec: CacheSpec,
  { signal, onWarning }: CacheReadOptions,
): Promise<OpenedCache> {
  checkImports([spec]);
  const { inspectCaches, trustOf } = await import("../remotecache/index.ts");
  const trust = await trustOf(spec, { machine: true });
  const origins = await originsOf(spec, store);
  try {
    const inspected = await inspectCaches(origins, { signal, onWarning, trust });
    return { ...inspected, name: [...new Set(origins.map((origin) => origin.name))].join(", ") };
  } catch (error) {
    throw ofCache(error);
  }
}

/** The reference of a cache in a registry. Throws `invalid-argument` for what is none. */
export function referenceOf(spec: CacheSpec): Reference {
  return withDefaultTag(parseReference(spec.attrs["ref"] ?? ""));
}

/** A cache that is not there, or is too large, is a cache that refuses: no fault of a build or of this machine. */
export function ofCache(error: unknown): unknown {
  if (!(error instanceof VarveError) || !["not-found", "limit-exceeded"].includes(error.code)) return error;
  return new VarveError("remote", error.message, { cause: error });
}

import { MAX_CONFIG } from "../document/config.ts";
import { readContainer } from "../document/container.ts";
import type { CacheGraph } from "../document/graph.ts";
import { decodeContents } from "../export/codec.ts";
import { requireTrust } from "../signing/trust.ts";
import type { Generation } from "../export/scopes.ts";
import { type ReadCacheOptions, readCache } from "./read-cache.ts";
import type { CacheOrigin } from "./origin.ts";

/** The content of a cache, for display. */
export interface InspectedCache {
  readonly graphs: readonly CacheGraph[];
  /** The exports that wrote the document; none for caches inside images. */
  readonly generations: readonly Generation[];
  /** Size of the cache config in bytes; undefined for caches inside images. */
  readonly configSize: number | undefined;
}

/** Reads the cache of an origin as `readCache` does, and what the document says about the exports that wrote it. */
async function inspectCache(origin: CacheOrigin, options: ReadCacheOptions): Promise<InspectedCache> {
  const { bytes, descriptor } = await origin.top(options.signal);
  const type = descriptor.mediaType;
  const container = readContainer(bytes, type);
  const read = async (config: Parameters<CacheOrigin["blob"]>[0]): Promise<Uint8Array> =>
    await origin.blob(config, MAX_CONFIG, options.signal);
  const contents = await decodeContents({ bytes, type }, read, origin.source);
  if (contents?.evidence !== undefined) requireTrust(contents.evidence, options.trust, origin.name);
  if (contents === undefined)
    return { graphs: await readCache(origin, options), generations: [], configSize: undefined };
  const configSize = container.kind === "cache" ? container.config.size : bytes.byteLength;
  return { graphs: [contents.graph], generations: contents.generations, configSize };
}

/** Reads the documents that together are a cache, and what they say about the exports that wrote them. */
export async function inspectCaches(
  origins: readonly CacheOrigin[],
  options: ReadCacheOptions = {},
): Promise<InspectedCache> {
  const all = await Promise.all(origins.map((origin) => inspectCache(origin, options)));
  const sizes = all.flatMap(({ configSize }) => configSize ?? []);
  return {
    graphs: all.flatMap(({ graphs }) => graphs),
    generations: all.flatMap(({ generations }) => generations),
    configSize: sizes.length === 0 ? undefined : sizes.reduce((sum, size) => sum + size, 0),
  };
}

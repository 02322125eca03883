import { MAX_CONFIG } from "../document/config.ts";
import { readContainer } from "../document/container.ts";
import type { CacheGraph } from "../document/graph.ts";
import { decodeContents } from "../export/codec.ts";
import type { Generation } from "../export/scopes.ts";
import { type ImportOptions, importCache } from "./import-cache.ts";
import type { CacheOrigin } from "./origin.ts";

/** What an origin holds, for whoever wants to look at it. */
export interface InspectedCache {
  readonly graphs: readonly CacheGraph[];
  /** Whose records they are; none for caches inside images. */
  readonly generations: readonly Generation[];
  /** Bytes of the cache config; undefined for caches inside images. */
  readonly configSize: number | undefined;
}

/** As `importCache`, with what the document says of its writers. */
export async function inspectCache(origin: CacheOrigin, options: ImportOptions = {}): Promise<InspectedCache> {
  const { bytes } = await origin.top(options.signal);
  const container = readContainer(bytes);
  const read = async (config: Parameters<CacheOrigin["blob"]>[0]): Promise<Uint8Array> =>
    await origin.blob(config, MAX_CONFIG, options.signal);
  const contents = container.kind === "cache" ? await decodeContents(bytes, read, origin.source) : undefined;
  if (contents === undefined)
    return { graphs: await importCache(origin, options), generations: [], configSize: undefined };
  const configSize = container.kind === "cache" ? container.config.size : undefined;
  return { graphs: [contents.graph], generations: contents.generations, configSize };
}

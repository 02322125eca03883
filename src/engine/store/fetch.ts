import { VarveError, isVarveError } from "../../core/index.ts";
import type { ContentStore } from "../../content/index.ts";
import { verified } from "../../io/index.ts";
import type { FetchBlob } from "../../record/index.ts";
import type { Registry } from "../../registry/index.ts";
import { type CloudCaches, isCloudSource } from "./cloud-caches.ts";

const LAYOUT = "layout:";

export interface BlobSources {
  readonly registry: () => Promise<Registry>;
  readonly content: ContentStore;
  readonly clouds: CloudCaches;
}

/**
 * Returns a function that fetches a blob from the first of its sources that has it: repositories, OCI layouts on this machine, and
 * object stores. `other` fetches from sources of other kinds, whose names contain `://`.
 */
export function blobFetcher({ registry, content: store, clouds }: BlobSources, other?: FetchBlob): FetchBlob {
  const fetchFrom = async (source: string, ...[blob, hold, onIngest]: Parameters<FetchBlob>): Promise<void> => {
    const directory = layoutDirectory(source);
    if (directory !== undefined) {
      const { layoutBlob } = await import("../../remotecache/index.ts");
      const expected = { digest: blob.digest, size: blob.size };
      const bytes = verified(layoutBlob(directory, blob), expected, { what: `blob ${blob.digest} of ${directory}` });
      await store.put(bytes, { ...hold, expected });
      return;
    }
    if (isCloudSource(source)) return await clouds.fetch(source, store, blob, hold, onIngest);
    if (source.includes("://") && other !== undefined) {
      await other({ ...blob, sources: [source] }, hold, onIngest);
      return;
    }
    const { fetchBlob } = await import("../../registry/index.ts");
    const slash = source.indexOf("/");
    const reference = { registry: source.slice(0, slash), repository: source.slice(slash + 1) };
    await fetchBlob(await registry(), reference, blob, { ...hold, store, onIngest });
  };
  return async (blob, hold, onIngest) => {
    let failure: unknown = new VarveError("not-found", `Cannot fetch blob ${blob.digest}: its source is unknown`);
    for (const source of blob.sources) {
      try {
        return await fetchFrom(source, blob, hold, onIngest);
      } catch (error) {
        if (isVarveError(error, "cancelled")) throw error;
        failure = error;
      }
    }
    throw failure;
  };
}

/** Returns the directory of a source that is an OCI layout, else undefined. */
function layoutDirectory(source: string): string | undefined {
  return source.startsWith(LAYOUT) ? source.slice(LAYOUT.length) : undefined;
}

import { VarveError, isVarveError } from "../core/index.ts";
import type { ContentStore } from "../content/index.ts";
import type { FetchBlob } from "../record/index.ts";
import type { Registry } from "../registry/index.ts";

/** Fetches blobs from the first of their sources that gives them whole. */
export function registryFetcher(open: () => Promise<Registry>, store: ContentStore): FetchBlob {
  return async (blob, { lease, signal }, onIngest) => {
    const { fetchBlob } = await import("../registry/index.ts");
    const registry = await open();
    let failure: unknown = new VarveError("not-found", `Cannot fetch blob ${blob.digest}: its source is not known`);
    for (const source of blob.sources) {
      const slash = source.indexOf("/");
      const reference = { registry: source.slice(0, slash), repository: source.slice(slash + 1) };
      try {
        await fetchBlob(registry, reference, blob, { store, lease, signal, onIngest });
        return;
      } catch (error) {
        if (isVarveError(error, "cancelled")) throw error;
        failure = error;
      }
    }
    throw failure;
  };
}

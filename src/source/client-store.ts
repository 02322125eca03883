import { type Digest, VarveError } from "../core/index.ts";
import { type Bytes, verified } from "../io/index.ts";
import type { FetchBlob, Hold } from "../record/index.ts";
import type { ContentStore } from "../content/index.ts";

/** A store of blobs that the client of a build serves, for example an OCI layout. Its answers are not trusted. */
export interface ClientStore {
  /** Returns the size of a blob in bytes. Undefined if the store does not have it. */
  size(digest: Digest, signal: AbortSignal | undefined): Promise<number | undefined>;
  /** Yields the bytes of a blob. */
  read(digest: Digest, size: number, signal: AbortSignal | undefined): Bytes;
}

/** Which store of which client. */
export interface ClientStoreName {
  /** The name that the client gave the store. */
  readonly store: string;
  /** The client's session, if the build has several. */
  readonly session?: string | undefined;
}

/** Opens a store of the build's client. */
export type OpenClientStore = (name: ClientStoreName) => ClientStore;

const SCHEME = "oci-layout://";

/** Returns the name of a store as a source of blobs: see `BlobForm`. */
export function clientSource({ store, session = "" }: ClientStoreName): string {
  return `${SCHEME}${encodeURIComponent(store)}?session=${encodeURIComponent(session)}`;
}

function storeName(source: string): ClientStoreName | undefined {
  const url = source.startsWith(SCHEME) ? URL.parse(source) : null;
  if (url === null) return undefined;
  const session = url.searchParams.get("session") ?? "";
  const store = decodeURIComponent(source.slice(SCHEME.length, source.indexOf("?")));
  return session === "" ? { store } : { store, session };
}

/** Returns a function that fetches blobs from stores of the client. It throws `not-found` for sources of other kinds. */
export function clientFetcher(open: OpenClientStore, content: ContentStore): FetchBlob {
  return async ({ digest, size, sources }, hold) => {
    const name = sources.map(storeName).find((found) => found !== undefined);
    if (name === undefined)
      throw new VarveError("not-found", `Cannot fetch blob ${digest}: no store of the client has it`, {
        details: { digest },
      });
    await fetchFromClient(open(name), { digest, size }, content, hold);
  };
}

/**
 * Fetches a blob of a client's store into the content store, unless it is there. Returns its size.
 *
 * @throws {VarveError} `not-found` if the client does not have it, `limit-exceeded` for more than `limit` bytes, `corrupt` for
 * other bytes.
 */
export async function fetchFromClient(
  store: ClientStore,
  { digest, size, limit = Infinity }: { readonly digest: Digest; readonly size?: number; readonly limit?: number },
  content: ContentStore,
  { lease, signal }: Hold,
): Promise<number> {
  lease.add("blob", digest);
  const known = content.info(digest);
  if (known !== undefined) return known.size;
  const own = size ?? (await store.size(digest, signal));
  if (own === undefined)
    throw new VarveError("not-found", `content digest ${digest}: not found`, { details: { digest } });
  if (own > limit)
    throw new VarveError("limit-exceeded", `Cannot read blob ${digest}: it is larger than ${limit} bytes`);
  const expected = { digest, size: own };
  const bytes = verified(store.read(digest, own, signal), expected, { what: `blob ${digest} of the client` });
  await content.put(bytes, { lease, signal, expected });
  return own;
}

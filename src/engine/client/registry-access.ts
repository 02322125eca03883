import type { ContentStore } from "../../content/index.ts";
import type { FetchBlob } from "../../record/index.ts";
import type { Registry } from "../../registry/index.ts";
import { clientFetcher } from "../../source/index.ts";
import { blobFetcher } from "../store/fetch.ts";
import type { Store } from "../store/store.ts";
import type { BuildClient } from "./client.ts";

/** How a build reaches registries: with the credentials of its client, or with those of the store. */
export interface RegistryAccess extends AsyncDisposable {
  readonly registry: Store["registry"];
  /** Undefined if blobs are fetched as the store fetches them. */
  readonly fetchBlob: FetchBlob | undefined;
}

/** Returns the access of a client. Its connections are closed when it is disposed of. */
export function registryAccess(
  store: Store,
  client: Pick<BuildClient, "credentials" | "fetchBlob" | "openStore">,
): RegistryAccess {
  const { credentials } = client;
  const fetchBlob = fromClient(client, store.content);
  let opened: Promise<Registry> | undefined;
  const registry =
    credentials === undefined ? store.registry : (): Promise<Registry> => (opened ??= store.registryWith(credentials));
  const isOwn = credentials !== undefined || fetchBlob !== undefined;
  return {
    registry,
    fetchBlob: isOwn ? blobFetcher({ ...store, registry }, fetchBlob) : undefined,
    [Symbol.asyncDispose]: async () => (await opened)?.[Symbol.dispose](),
  };
}

/** Returns how blobs are fetched that only the client has: its own way, else from its stores. */
function fromClient(
  { fetchBlob, openStore }: Pick<BuildClient, "fetchBlob" | "openStore">,
  content: ContentStore,
): FetchBlob | undefined {
  if (fetchBlob !== undefined || openStore === undefined) return fetchBlob;
  return clientFetcher(openStore, content);
}

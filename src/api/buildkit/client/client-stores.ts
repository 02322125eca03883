import { type Digest, isVarveError } from "../../../core/index.ts";
import type { OpenClientStore } from "../../../source/index.ts";
import type { ClientSession } from "../session/client-session.ts";
import { ClientContent } from "../session/content.ts";
import { clientError } from "./client-error.ts";

/** Prefix of the names of directories with caches. Other names are those of OCI layouts. */
const CACHE = "local:";

/** Returns how the stores of a client are opened. `session` is the one that the name of a store says, or undefined. */
export function clientStores(openSession: (session?: string) => Promise<ClientSession>): OpenClientStore {
  return ({ store, session }) => {
    const content = async (): Promise<ClientContent> =>
      new ClientContent(await openSession(session), store.startsWith(CACHE) ? store : `oci:${store}`);
    return {
      size: async (digest, signal) => await blobSize(await content(), digest, signal),
      read: async function* read(digest, size, signal) {
        try {
          yield* (await content()).read(digest, { length: size, signal });
        } catch (error) {
          throw clientError(error);
        }
      },
    };
  };
}

/** Returns the size of a blob; undefined if the client does not have it. */
async function blobSize(
  content: ClientContent,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  try {
    return (await content.info(digest, { signal })).size;
  } catch (error) {
    if (isVarveError(error, "not-found")) return undefined;
    throw clientError(error);
  }
}

import type { ClientCaches } from "../../../engine/index.ts";
import type { ClientSession } from "../session/client-session.ts";
import { ClientContent } from "../session/content.ts";
import { clientError } from "./client-error.ts";

/** Returns the directories with caches of a client, which it serves as stores of blobs. */
export function clientCaches(open: () => Promise<ClientSession>): ClientCaches {
  const contentOf = async (directory: string): Promise<ClientContent> =>
    new ClientContent(await open(), `local:${directory}`);
  return {
    origin: async (directory, digest) => (await contentOf(directory)).origin(digest),
    store: (directory) => ({
      write: async (blob, openBlob, signal) => {
        try {
          await (await contentOf(directory)).write(blob, openBlob(), { signal });
        } catch (error) {
          throw clientError(error);
        }
      },
    }),
  };
}

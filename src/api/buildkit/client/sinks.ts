import type { ContentSink, StreamSink, TreeSink } from "../../../export/index.ts";
import { sendTree } from "../../../filesync/index.ts";
import type { ClientSession } from "../session/client-session.ts";
import { ClientContent } from "../session/content.ts";
import { openOutput, sendFile } from "../session/file-send.ts";
import { clientError } from "./client-error.ts";

/** Returns the session of the client that takes an output. */
type OpenSession = () => Promise<ClientSession>;

/** Returns the file of a client for one of its exporters. An archive that the client has already counts as written. */
export function streamSink(open: OpenSession, exporter: number, signal: AbortSignal): StreamSink {
  return {
    kind: "stream",
    write: async (bytes, response) => {
      await asClientError(async () => await sendFile(await open(), { exporter, response }, bytes, { signal }));
    },
  };
}

/** Returns the directory of a client for one of its exporters. */
export function treeSink(open: OpenSession, exporter: number): TreeSink {
  return {
    kind: "tree",
    send: async (tree, { deleteOthers, onProgress, signal }) => {
      await asClientError(async () => {
        using stream = openOutput(await open(), { exporter, isMultiPlatform: deleteOthers }, { signal });
        await sendTree(stream, tree, { signal, onProgress });
      });
    },
  };
}

/** Returns the content store of a client that takes the blobs of an image. */
export function contentSink(open: OpenSession, signal: AbortSignal): ContentSink {
  return {
    kind: "content",
    write: async ({ digest, size }, openBlob) => {
      await asClientError(async () => {
        const content = new ClientContent(await open(), "export");
        await content.write({ digest, size }, openBlob(), { signal });
      });
    },
  };
}

async function asClientError(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw clientError(error);
  }
}

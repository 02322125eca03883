/** What a client of BuildKit serves for its directories and outputs, with Varve's own sender and receiver. */
import { fileSendMethod, fileSyncMethod } from "../src/api/buildkit/session/files.ts";
import { type MessageStream, receiveTree } from "../src/filesync/index.ts";
import { GrpcCode, GrpcError, type Implementation, type Metadata, type Send, bidiStream } from "../src/grpc/index.ts";
import { sendContext } from "../src/source/index.ts";

/** Serves directories by name, with the patterns that the daemon sends. */
export function servedDirectories(directories: ReadonlyMap<string, string>): Implementation {
  return bidiStream(fileSyncMethod, async ({ batches: packets }, send, { metadata, signal }) => {
    const name = metadata.get("dir-name") ?? "";
    const directory = directories.get(name);
    if (directory === undefined) throw new GrpcError(GrpcCode.notFound, `no access allowed to dir "${name}"`);
    const patterns = {
      includePatterns: textsOf(metadata, "include-patterns"),
      excludePatterns: textsOf(metadata, "exclude-patterns"),
      followPaths: textsOf(metadata, "followpaths"),
    };
    await sendContext(serverStream(packets, send), directory, patterns, { signal });
  });
}

/** The values of a header, which are escaped as in a query if they are not ASCII. */
function textsOf(metadata: Metadata, key: string): readonly string[] {
  const texts = metadata.all(key);
  if (metadata.get(`${key}-encoded`) !== "1") return texts;
  return texts.map((text) => decodeURIComponent(text.replaceAll("+", " ")));
}

/** Takes trees into a directory, and keeps what is there. */
export function takenDirectory(directory: string): Implementation {
  return bidiStream(fileSendMethod, async ({ batches: packets }, send, { signal }) => {
    const options = { keep: true, ownership: "process", signal } as const;
    await receiveTree(serverStream(packets, send), directory, options);
  });
}

/** The server's end of a call: it ends when this side has sent everything. */
function serverStream(packets: AsyncIterable<readonly Uint8Array[]>, send: Send<Uint8Array>): MessageStream {
  const { promise: ended, resolve } = Promise.withResolvers<IteratorReturnResult<undefined>>();
  const iterator = packets[Symbol.asyncIterator]();
  const next = async (): Promise<IteratorResult<readonly Uint8Array[]>> => await Promise.race([iterator.next(), ended]);
  return {
    receive: { [Symbol.asyncIterator]: () => ({ next }) },
    send,
    closeSend: async () => resolve({ done: true, value: undefined }),
  };
}

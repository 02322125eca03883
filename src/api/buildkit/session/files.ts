import { GrpcCode, GrpcError, type Metadata, invokeBidi } from "../../../grpc/index.ts";
import type { Method } from "../../../grpc/index.ts";
import { FileSend, FileSync } from "../proto/gen/filesync_pb.ts";
import { methodUrl, undecoded } from "../proto/methods.ts";
import type { CallerOptions, ClientSession } from "./client-session.ts";
import { encodeHeaders } from "./header-encoding.ts";

export const fileSyncMethod: Method<Uint8Array, Uint8Array> = undecoded(FileSync.method.diffCopy);
export const fileSendMethod: Method<Uint8Array, Uint8Array> = undecoded(FileSend.method.diffCopy);

/** A transfer of a directory: encoded packets in both directions. Disposing of it cancels it, unless it has ended. */
export interface FileStream extends Disposable {
  readonly receive: AsyncIterable<readonly Uint8Array[]>;
  readonly send: (message: Uint8Array) => Promise<void>;
  readonly closeSend: () => Promise<void>;
}

/** What of a directory a client sends. */
export interface FileFilter {
  /** Patterns. Undefined: everything. */
  readonly includePatterns?: readonly string[] | undefined;
  readonly excludePatterns?: readonly string[] | undefined;
  /** Paths to include with what their symbolic links refer to. */
  readonly followPaths?: readonly string[] | undefined;
}

/**
 * Opens a directory of the client for reading. The client is the sender.
 *
 * @param name - As in the client's request.
 * @throws {GrpcError} `unknown` if the client serves no directories. What the client refuses, the stream throws.
 */
export function openFiles(
  session: ClientSession,
  name: string,
  { includePatterns, excludePatterns, followPaths }: FileFilter,
  { signal }: CallerOptions = {},
): FileStream {
  if (!session.supports(fileSyncMethod)) throw new GrpcError(GrpcCode.unknown, "no local sources enabled");
  const metadata = encodeHeaders({
    "dir-name": [name],
    "include-patterns": includePatterns,
    "exclude-patterns": excludePatterns,
    followpaths: followPaths,
  });
  return start(session, fileSyncMethod, metadata, signal);
}

/** Throws if the client takes no outputs. */
export function checkFileSend(session: ClientSession): void {
  if (session.supports(fileSendMethod)) return;
  const url = methodUrl({ ...fileSendMethod, name: "diffcopy" });
  throw new GrpcError(GrpcCode.unknown, `method ${url} not supported by the client`);
}

/** Starts a call whose messages are packets. */
export function start(
  { client }: ClientSession,
  method: Method<Uint8Array, Uint8Array>,
  metadata: Metadata,
  signal: AbortSignal | undefined,
): FileStream {
  const call = invokeBidi(client, method, { metadata, signal });
  return {
    receive: call.responses.batches,
    send: call.send,
    closeSend: async () => await Promise.resolve(call.end()),
    [Symbol.dispose]: () => call.cancel(),
  };
}

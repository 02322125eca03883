import {
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
  performServerHandshake,
} from "node:http2";
import type { Duplex } from "node:stream";
import { GrpcLimits } from "./limits.ts";

/** Called for each stream that a client opens. */
export type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: readonly string[]) => void;

const OPTIONS: ServerOptions = {
  maxSendHeaderBlockLength: GrpcLimits.sentHeaderBytes,
  maxHeaderListPairs: GrpcLimits.headerFields,
  maxSessionMemory: GrpcLimits.connectionMegabytes,
  settings: {
    enablePush: false,
    initialWindowSize: GrpcLimits.streamWindow,
    maxHeaderListSize: GrpcLimits.headerBytes,
  },
};

/** Makes a connection of HTTP/2 keep its large window, once it can be set. */
export function widenWindow(session: Http2Session): void {
  if (!session.destroyed) session.setLocalWindowSize(GrpcLimits.connectionWindow);
}

/** Starts HTTP/2 on a connection. The session's errors concern that client only, and end its connection. */
export function openSession(
  connection: Duplex,
  onStream: OnStream,
  { streams }: { readonly streams: number },
): ServerHttp2Session {
  connection.on("error", () => undefined);
  const settings = { ...OPTIONS.settings, maxConcurrentStreams: streams };
  const session = performServerHandshake(connection, { ...OPTIONS, settings });
  const timer = setTimeout(() => session.destroy(), GrpcLimits.handshake);
  connection.once("close", () => session.destroy());
  session.once("remoteSettings", () => clearTimeout(timer));
  session.once("close", () => clearTimeout(timer));
  session.on("error", () => undefined);
  session.on("stream", (stream: ServerHttp2Stream, headers, _flags, rawHeaders: readonly string[]) => {
    // The peer's errors reach the handler as an aborted signal.
    stream.on("error", () => undefined);
    onStream(stream, headers, rawHeaders);
  });
  widenWindow(session);
  return session;
}

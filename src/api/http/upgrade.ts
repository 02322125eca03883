import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";

/** A request that asks for another protocol. */
export interface UpgradeRequest {
  readonly method: string;
  /** Percent-encoded, without the query. */
  readonly path: string;
  /** The protocol that the client asks for, in lower case. */
  readonly protocol: string;
  /** Names and values in turn, as the client sent them. */
  readonly rawHeaders: readonly string[];
}

/** Takes over a connection. It owns the connection from then on. */
export type Takeover = (connection: Duplex) => void;

/** Returns what takes over the connection of a request, or undefined for a request that is answered as any other. */
export type FindTakeover = (request: UpgradeRequest) => Takeover | undefined;

/** What takes over connections that do not speak HTTP/1. */
export interface Takeovers {
  readonly upgrade: FindTakeover;
  /** Takes over the connections on which the client speaks HTTP/2 without TLS and without asking for it. */
  readonly http2: Takeover;
}

/** Hands the connections over that requests ask for. `onTakeover` is called with each of them, which the server no longer owns. */
export function acceptUpgrades(server: Server, find: FindTakeover, onTakeover: (connection: Duplex) => void): void {
  server.on("upgrade", (message: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => undefined);
    const request = upgradeRequest(message);
    const takeOver = request === undefined ? undefined : find(request);
    if (request === undefined || takeOver === undefined) {
      socket.destroy();
      return;
    }
    if (head.byteLength > 0) socket.unshift(head);
    // HTTP/1 answers clients that have closed their side. In other protocols, such a client is gone.
    socket.allowHalfOpen = false;
    onTakeover(socket);
    const answer = `HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: ${request.protocol}\r\n\r\n`;
    // Node ends the process if HTTP/2 starts on a connection while something is being written to it.
    socket.write(answer, (error) => {
      if (error) socket.destroy();
      else takeOver(socket);
    });
  });
}

/** Returns whether a request's connection is handed over. Node asks this before it decides what a request with `Upgrade` is. */
export function isUpgrade(message: IncomingMessage, find: FindTakeover): boolean {
  const request = upgradeRequest(message);
  return request !== undefined && find(request) !== undefined;
}

function upgradeRequest({
  method = "GET",
  url = "/",
  headers,
  rawHeaders,
}: IncomingMessage): UpgradeRequest | undefined {
  const protocol = headers.upgrade?.toLowerCase() ?? "";
  if (!/^[a-z0-9./_-]+$/.test(protocol)) return undefined;
  return { method, path: url.split("?", 1)[0] ?? "/", protocol, rawHeaders };
}

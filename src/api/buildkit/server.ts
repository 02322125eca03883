import { createServer as createPlainServer, type Server } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import { GrpcServer, type Implementation, Metadata } from "../../grpc/index.ts";
import { type Address, type SocketAccess, type TcpAccess, type Transport, bind, transportOf } from "../listen/index.ts";
import { controlService } from "./control/control-service.ts";
import type { Daemon } from "./daemon.ts";
import { statusError } from "./errors/status.ts";
import { gatewayService } from "./gateway/gateway-service.ts";
import { readableContent } from "./history/content.ts";
import { historyService } from "./history/history-service.ts";
import { contentService } from "./services/content.ts";
import { healthService } from "./services/health.ts";
import { traceService } from "./services/trace.ts";
import { type SessionBuild, type SessionBuildRequest, startSessionBuild } from "./session-build.ts";
import { readSessionHeaders } from "./session/headers.ts";

/** Milliseconds that running builds have to end when a server stops. */
const GRACE = 10_000;

/** Serves BuildKit's API on connections that were accepted elsewhere. Disposing of it ends all calls and sessions. */
export class BuildkitServer implements AsyncDisposable {
  readonly #daemon: Daemon;
  readonly #grpc: GrpcServer;
  readonly #stopping = new AbortController();

  constructor(daemon: Daemon) {
    const services: Implementation[] = [
      ...controlService(daemon),
      ...historyService(daemon),
      ...gatewayService(daemon),
      ...contentService(readableContent(daemon.store.content, daemon.history)),
      ...healthService(),
      ...traceService(),
    ];
    this.#daemon = daemon;
    this.#grpc = new GrpcServer(services, { toError: statusError });
  }

  /** Serves a connection on which this server is the server. */
  serve(connection: Duplex): void {
    this.#grpc.serve(connection);
  }

  /** Returns what opens a session on a connection, on which the client is the server. Undefined if its id is in use. */
  sessionOpener(rawHeaders: readonly string[]): ((connection: Duplex) => void) | undefined {
    const headers = readSessionHeaders(Metadata.received(rawHeaders));
    const { sessions } = this.#daemon;
    if (headers.id === "" || sessions.find(headers.id) !== undefined) return undefined;
    return (connection) => {
      sessions.serve(connection, headers, { signal: this.#stopping.signal }).catch(() => connection.destroy());
    };
  }

  /** Starts a build of a client that has a session, but did not ask for the build by a call. */
  build(request: SessionBuildRequest, signal: AbortSignal): SessionBuild {
    return startSessionBuild(request, this.#daemon, AbortSignal.any([signal, this.#stopping.signal]));
  }

  /** Lets running calls finish for a while, and ends the rest. */
  async stop(): Promise<void> {
    await this.#grpc.stop(GRACE);
    this.#stopping.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

export interface BuildkitListener extends AsyncDisposable {
  readonly address: Address;
}

/**
 * Serves BuildKit's API on an address until the listener is disposed of. Whoever can connect has the rights of this process. Open
 * connections belong to the server, and stay. `access` says who may use a unix socket; see `listenUnix`.
 *
 * @throws {VarveError} `invalid-argument` if the address cannot be used, or if `tcp` does not allow a TCP address.
 */
export async function listenBuildkit(
  buildkit: BuildkitServer,
  address: Address,
  tcp: TcpAccess,
  access?: SocketAccess,
): Promise<BuildkitListener> {
  const transport = await transportOf(address, tcp);
  await using stack = new AsyncDisposableStack();
  const server = socketServer(buildkit, transport);
  stack.defer(() => void server.close());
  const bound = stack.use(await bind(server, address, access));
  const owned = stack.move();
  return { address: bound.address, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function socketServer(buildkit: BuildkitServer, transport: Transport): Server {
  if (transport.kind !== "tls") return createPlainServer({ noDelay: true }, (socket) => buildkit.serve(socket));
  const server = createTlsServer({ ...transport.options, ALPNProtocols: ["h2"] }, (socket) => buildkit.serve(socket));
  // A handshake that fails must not end the process.
  server.on("tlsClientError", () => undefined);
  return server;
}

/** A daemon that has sessions only. */
import type { GrpcClient, Implementation } from "../src/grpc/index.ts";
import { GrpcServer } from "../src/grpc/index.ts";
import type { ClientSession } from "../src/api/buildkit/session/client-session.ts";
import { SessionManager, type SessionManagerOptions, sessionMethod } from "../src/api/buildkit/index.ts";
import { serveGrpc } from "./grpc.ts";
import { type SessionClient, type SessionClientOptions, healthy, openSession } from "./session-client.ts";

export interface SessionDaemon extends AsyncDisposable {
  readonly sessions: SessionManager;
  readonly client: GrpcClient;
  open(services: readonly Implementation[], options?: SessionClientOptions): SessionClient;
}

export async function sessionDaemon(options: SessionManagerOptions = {}): Promise<SessionDaemon> {
  await using stack = new AsyncDisposableStack();
  const sessions = new SessionManager(options);
  const grpc = stack.use(await serveGrpc(new GrpcServer([sessionMethod(sessions)])));
  const client = stack.use(await grpc.client());
  const owned = stack.move();
  return {
    sessions,
    client,
    open: (services, each) => openSession(client, services, each),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Runs something with the session of a client that serves these methods. */
export async function withSession(
  services: readonly Implementation[],
  run: (session: ClientSession, client: SessionClient) => Promise<void>,
  options: SessionClientOptions = {},
): Promise<void> {
  await using daemon = await sessionDaemon();
  await using client = daemon.open([...services, healthy], options);
  await run(await daemon.sessions.get(client.id), client);
}

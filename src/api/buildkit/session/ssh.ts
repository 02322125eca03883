import { once } from "node:events";
import { chmod } from "node:fs/promises";
import { type Server, type Socket, createServer } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { GrpcCode, GrpcError, Metadata, invoke, invokeBidi, isGrpcError } from "../../../grpc/index.ts";
import { temporaryDirectory } from "../../../io/index.ts";
import { bytesMethod } from "../proto/bytes-message.ts";
import { SSH } from "../proto/gen/ssh_pb.ts";
import { called } from "../proto/methods.ts";
import type { CallerOptions, ClientSession } from "./client-session.ts";
import { connectionOf } from "./tunnel.ts";

const checkAgentMethod = called(SSH.method.checkAgent);
const forwardAgentMethod = bytesMethod(SSH.method.forwardAgent);

const DEFAULT_ID = "default";
/** Connections to one agent that may be open. */
const MAX_CONNECTIONS = 256;

/** The socket of an agent of the client. It exists until it is disposed of. */
export interface ForwardedAgent extends AsyncDisposable {
  readonly path: string;
}

/**
 * Checks that the client forwards an agent.
 *
 * @param id - Empty: the default agent.
 * @throws {GrpcError} `unknown` if the client forwards none; otherwise what the client answers.
 */
export async function checkAgent({ client }: ClientSession, id: string, { signal }: CallerOptions = {}): Promise<void> {
  try {
    await invoke(client, checkAgentMethod, { id: id === "" ? DEFAULT_ID : id }, { signal });
  } catch (error) {
    if (!isGrpcError(error, GrpcCode.unimplemented)) throw error;
    const message = `no SSH key ${JSON.stringify(id)} forwarded from the client`;
    throw new GrpcError(GrpcCode.unknown, message, { cause: error });
  }
}

/**
 * Makes a socket on which the client's agent answers: each connection becomes one call. The caller gives the socket its owner and
 * mode.
 */
export async function forwardAgent(session: ClientSession, id: string): Promise<ForwardedAgent> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory("varve-ssh-"));
  await chmod(directory.path, 0o711);
  const path = join(directory.path, "ssh_auth_sock");
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
    forward(socket, session, id === "" ? DEFAULT_ID : id).catch(() => socket.destroy());
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.listen(path);
  await once(server, "listening");
  stack.defer(async () => await close(server, sockets));
  const owned = stack.move();
  return { path, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Passes bytes both ways. The end of one direction leaves the other one open. */
async function forward(socket: Socket, { client }: ClientSession, id: string): Promise<void> {
  const metadata = Metadata.of([["buildkit.ssh.id", id]]);
  using call = invokeBidi(client, forwardAgentMethod, { metadata });
  const agent = connectionOf(call);
  await Promise.all([pipeline(socket, agent), pipeline(agent, socket)]);
}

async function close(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = once(server, "close");
  server.close();
  for (const socket of sockets) socket.destroy();
  await closed;
}

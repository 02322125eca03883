import { chmodSync, closeSync, constants, openSync } from "node:fs";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { VarveError } from "../../core/index.ts";
import { setOwner } from "../../linux/index.ts";

/** Maximum number of connections to an agent that are open at once. Further connections are closed. */
const MAX_CONNECTIONS = 64;

export interface AgentOptions {
  /** The agent's own socket. */
  readonly socket: string;
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

/**
 * Listens on a new socket `name` in `directory` and forwards its connections to an agent. The new socket has the owner and mode
 * that a step needs; the agent's own socket is not changed.
 * @throws {VarveError} `not-found` if the agent does not accept connections.
 */
export async function forwardAgent(
  directory: string,
  name: string,
  { socket, mode = 0o600, uid = 0, gid = 0 }: AgentOptions,
): Promise<AsyncDisposable & { readonly path: string }> {
  await checkAgent(socket);
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const agent = connect({ path: socket, allowHalfOpen: true });
    for (const [from, to] of [
      [client, agent],
      [agent, client],
    ] as const) {
      open.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        open.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  server.maxConnections = MAX_CONNECTIONS;
  const path = join(directory, name);
  // A socket's address has at most 107 bytes; a path through the descriptor does not include the directory's name.
  // The descriptor stays open as long as the server, because the server removes its socket by that address.
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  const close = async (): Promise<void> => {
    for (const connection of open) connection.destroy();
    await new Promise((resolve) => server.close(resolve));
    closeSync(fd);
  };
  try {
    server.listen(`/proc/self/fd/${fd}/${name}`);
    await once(server, "listening");
    setOwner(path, uid, gid);
    chmodSync(path, mode & 0o777);
  } catch (error) {
    await close();
    throw error;
  }
  return { path, [Symbol.asyncDispose]: close };
}

async function checkAgent(socket: string): Promise<void> {
  const trial = connect({ path: socket });
  try {
    await once(trial, "connect");
  } catch (error) {
    throw new VarveError("not-found", `Cannot forward the agent at ${socket}: it does not accept connections`, {
      cause: error,
    });
  } finally {
    trial.destroy();
  }
}

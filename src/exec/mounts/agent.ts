import { chmodSync, chownSync, closeSync, constants, openSync } from "node:fs";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { VarveError } from "../../core/index.ts";

/** Connections to an agent at once; a step that opens more waits for it. */
const MAX_CONNECTIONS = 64;

export interface AgentOptions {
  /** The agent's own socket. */
  readonly socket: string;
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

/**
 * A socket of its own for a step, behind which is the user's agent: its owner and mode are what the step needs, and the
 * agent's own socket stays as it is. It is named `name` in `directory`.
 */
export async function forwardAgent(
  directory: string,
  name: string,
  { socket, mode = 0o600, uid = 0, gid = 0 }: AgentOptions,
): Promise<AsyncDisposable & { readonly path: string }> {
  await probe(socket);
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
  // The address of a socket has room for 107 bytes; through the descriptor the directory's name does not count.
  // It stays open as long as the server, which removes its socket by that address.
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  const stop = async (): Promise<void> => {
    for (const connection of open) connection.destroy();
    await new Promise((resolve) => server.close(resolve));
    closeSync(fd);
  };
  try {
    server.listen(`/proc/self/fd/${fd}/${name}`);
    await once(server, "listening");
    chownSync(path, uid, gid);
    chmodSync(path, mode & 0o777);
  } catch (error) {
    await stop();
    throw error;
  }
  return { path, [Symbol.asyncDispose]: stop };
}

async function probe(socket: string): Promise<void> {
  const trial = connect({ path: socket });
  try {
    await once(trial, "connect");
  } catch (error) {
    throw new VarveError("not-found", `Cannot forward the agent at ${socket}: it does not answer`, { cause: error });
  } finally {
    trial.destroy();
  }
}

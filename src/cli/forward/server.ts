import { type Server, type Socket, createServer } from "node:net";
import { join } from "node:path";
import { listenUnix } from "../../api/listen/index.ts";
import { VarveError, isVarveError } from "../../core/index.ts";
import type { Store } from "../../engine/index.ts";
import { originalMountNamespace, ownIdMaps } from "../../linux/index.ts";
import type { RunCommand } from "../command.ts";
import { SOCKET } from "./client.ts";
import { ForwardedHost } from "./forwarded-host.ts";
import { Frame, FrameReader, frame } from "./frames.ts";
import { machineIdentity } from "./identity.ts";
import { CLIENT_IDENTITY } from "./identity-variable.ts";
import { readRequest } from "./read-request.ts";
import { type ForwardedCommand, isForwardable } from "./request.ts";
import { splitArgv } from "../global-flags.ts";

export interface CommandServerOptions {
  readonly store: Store;
  readonly runCommand: RunCommand;
}

/**
 * Accepts commands of other `varve` processes of the same user and root, and runs them on the store of this server. Their processes then
 * load no builder. Does nothing if another server of the root does so already, or the path of the root is too long for a socket.
 */
export async function serveCommands(options: CommandServerOptions): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const commands = stack.use(new CommandServer(options));
  try {
    stack.use(await listenUnix(commands.server, join(options.store.root, SOCKET), { kind: "owner" }));
  } catch (error) {
    if (!isVarveError(error, "busy") && !isVarveError(error, "invalid-argument")) throw error;
  }
  return stack.move();
}

/** The identity of processes whose commands this one may run. In a user namespace, it is the one of the user's processes outside. */
function clientIdentity(): string {
  const outside = ownIdMaps() === undefined ? undefined : process.env[CLIENT_IDENTITY];
  return outside ?? machineIdentity(originalMountNamespace() ?? "");
}

class CommandServer implements AsyncDisposable {
  readonly server: Server;
  readonly #options: CommandServerOptions;
  readonly #identity = clientIdentity();
  readonly #running = new Map<Socket, Promise<void>>();

  constructor(options: CommandServerOptions) {
    this.#options = options;
    this.server = createServer((socket) => {
      const running = this.#serve(socket).finally(() => this.#running.delete(socket));
      this.#running.set(socket, running);
    });
  }

  /** Cancels what runs, and waits until it has cleaned up. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close();
    for (const socket of this.#running.keys()) socket.destroy();
    await Promise.all(this.#running.values());
  }

  /** Never rejects: what goes wrong with one client is told to nobody else. */
  async #serve(socket: Socket): Promise<void> {
    socket.on("error", () => undefined);
    let host: ForwardedHost | undefined;
    let done: Promise<void> | undefined;
    try {
      const reader = new FrameReader();
      for await (const chunk of socket as AsyncIterable<Buffer>) {
        for (const { kind, payload } of reader.push(chunk)) {
          if (host !== undefined) {
            if (kind === Frame.run) done ??= this.#run(host, socket);
            else host.receive(kind, payload);
            continue;
          }
          const command = kind === Frame.request ? this.#accept(payload) : undefined;
          if (command === undefined) return;
          host = new ForwardedHost(socket, command, this.#options.store);
          socket.write(frame(Frame.accepted));
        }
      }
    } catch {
      // A client that has gone, or that does not speak the protocol.
    } finally {
      host?.cancel(new VarveError("cancelled", "Cannot go on: the client of the server has gone"));
      socket.destroy();
      await done;
    }
  }

  async #run(host: ForwardedHost, socket: Socket): Promise<void> {
    const code = await this.#options.runCommand(host.command.argv, host);
    socket.end(frame(Frame.exit, String(code)));
  }

  /** Returns the command of a request if it would do the same in this process. */
  #accept(payload: Buffer): ForwardedCommand | undefined {
    const { identity, command } = readRequest(payload);
    const isSame = identity === this.#identity;
    return isSame && isForwardable(splitArgv(command.argv), command.env) ? command : undefined;
  }
}

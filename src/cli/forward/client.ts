import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { join, resolve } from "node:path";
import { isatty } from "node:tty";
import { defaultRoot } from "../../core/index.ts";
import { splitArgv } from "../global-flags.ts";
import { workingDirectory } from "../working-directory.ts";
import { endWithReader, writeTo } from "../write-stream.ts";
import { Frame, FrameReader, type ReceivedFrame, frame } from "./frames.ts";
import { machineIdentity, mountNamespace } from "./identity.ts";
import { type ForwardRequest, type ForwardedCommand, type TerminalSize, isForwardable } from "./request.ts";

/** Milliseconds that a server has to accept a command: about as long as starting the builder in this process takes. */
const PATIENCE = 250;
/** The exit code if the server ends before the command does. */
const LOST = 6;
const INTERRUPTED = 130;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The name of the socket in a root directory on which its server accepts commands. */
export const SOCKET = "command.sock";

/**
 * Has a running server of the same root run the command line, with the input, output and signals of this process. Returns the exit code;
 * undefined if no server runs, or it does not accept the command.
 */
export async function forwardCommand(argv: readonly string[]): Promise<number | undefined> {
  const line = splitArgv(argv);
  if (!isForwardable(line, process.env)) return undefined;
  const [root, cwd] = [rootOf(line.global), workingDirectory()];
  if (root === undefined || cwd === undefined) return undefined;
  const socket = await connected(join(root, SOCKET));
  if (socket === undefined) return undefined;
  const reader = new FrameReader();
  const request: ForwardRequest = { identity: machineIdentity(mountNamespace()), command: commandOf(argv, cwd) };
  socket.write(frame(Frame.request, JSON.stringify(request)));
  return (await isAccepted(socket, reader)) ? await new ForwardedRun(socket, reader).run() : undefined;
}

/** Returns the root that the command line names, or the default one; undefined if it is given in a way that only `main.ts` understands. */
function rootOf(global: readonly string[]): string | undefined {
  if (global.length === 0) return defaultRoot();
  const text = global.join("\n");
  const match = /^--root(?:=|\n)([^\n]+)$/.exec(text);
  return match?.[1] === undefined ? undefined : resolve(match[1]);
}

async function connected(path: string): Promise<Socket | undefined> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return socket;
  } catch {
    return undefined;
  }
}

function commandOf(argv: readonly string[], cwd: string): ForwardedCommand {
  return {
    argv,
    cwd,
    env: Object.fromEntries(Object.entries(process.env).map(([name, value = ""]) => [name, value])),
    isOutputTerminal: isatty(1),
    isErrorTerminal: isatty(2),
    ...terminalSize(),
  };
}

/** Reading the stream creates it, which takes a while: only for terminals. */
function terminalSize(): TerminalSize {
  return isatty(2) ? { columns: process.stderr.columns, rows: process.stderr.rows } : { columns: 0, rows: 0 };
}

/** Waits for the answer to the request. Destroys the socket if it is not "accepted", so that the server runs nothing. */
async function isAccepted(socket: Socket, reader: FrameReader): Promise<boolean> {
  const { promise, resolve: settle } = Promise.withResolvers<Buffer | undefined>();
  const timer = setTimeout(settle, PATIENCE, undefined);
  const onEnd = (): void => settle(undefined);
  socket.once("data", settle).once("close", onEnd).once("error", onEnd);
  const chunk = await promise;
  socket.pause();
  clearTimeout(timer);
  if (chunk !== undefined && reader.push(chunk)[0]?.kind === Frame.accepted) return true;
  socket.destroy();
  return false;
}

/** A command that the server runs for this process. */
class ForwardedRun {
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  #input: AsyncIterator<Buffer> | undefined;
  #interrupts = 0;

  constructor(socket: Socket, reader: FrameReader) {
    this.#socket = socket;
    this.#reader = reader;
  }

  async run(): Promise<number> {
    for (const name of SIGNALS) process.on(name, () => this.#interrupt(name));
    process.on("SIGWINCH", () => this.#socket.write(frame(Frame.size, JSON.stringify(terminalSize()))));
    this.#socket.on("error", () => undefined);
    this.#socket.write(frame(Frame.run));
    try {
      for await (const chunk of this.#socket as AsyncIterable<Buffer>) {
        for (const received of this.#reader.push(chunk)) {
          const code = await this.#handle(received);
          if (code !== undefined) return code;
        }
      }
    } catch {
      // The connection broke, which is told below.
    }
    process.stderr.write("ERROR: Cannot go on: the server of this root has ended\nhint: Run the command again.\n");
    return LOST;
  }

  /** Returns the exit code if this is the last frame. */
  async #handle({ kind, payload }: ReceivedFrame): Promise<number | undefined> {
    switch (kind) {
      case Frame.output:
        if (process.stdout.listenerCount("error") === 0) endWithReader();
        await writeTo(process.stdout, payload);
        return undefined;
      case Frame.message:
        await writeTo(process.stderr, payload);
        return undefined;
      case Frame.wanted:
        void this.#sendInput();
        return undefined;
      case Frame.exit:
        return Number(payload.toString());
      default:
        return undefined;
    }
  }

  async #sendInput(): Promise<void> {
    try {
      this.#input ??= process.stdin[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
      const { value, done } = await this.#input.next();
      this.#socket.write(frame(Frame.input, done === true ? "" : value));
    } catch {
      this.#socket.destroy();
    }
  }

  /** The first interrupt cancels the command; the second one ends this process at once. */
  #interrupt(name: string): void {
    this.#interrupts += 1;
    if (this.#interrupts > 1) process.exit(INTERRUPTED);
    this.#socket.write(frame(Frame.signal, name));
  }
}

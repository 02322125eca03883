import { once } from "node:events";
import type { Socket } from "node:net";
import { VarveError } from "../../core/index.ts";
import type { Store } from "../../engine/index.ts";
import type { CommandHost } from "../command.ts";
import { type Screen, capabilities } from "../progress/screen.ts";
import { Frame, type FrameKind, frame } from "./frames.ts";
import { readSize } from "./read-request.ts";
import type { ForwardedCommand, TerminalSize } from "./request.ts";

/** Bytes of messages that the server keeps for a client that does not read them. More cancel the command. */
const MAX_UNREAD = 67_108_864;
/** Maximum bytes of output in one frame. */
const MAX_OUTPUT = 1_048_576;

/** The client of a forwarded command: its input, output and signals come and go as frames. */
export class ForwardedHost implements CommandHost {
  readonly command: ForwardedCommand;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly serverStore: Store;
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: CommandHost["stdout"];
  readonly screen: Screen;
  readonly signal: AbortSignal;
  readonly #socket: Socket;
  readonly #cancelled = new AbortController();
  #input: PromiseWithResolvers<Uint8Array> | undefined;
  #size: TerminalSize;

  constructor(socket: Socket, command: ForwardedCommand, store: Store) {
    this.#socket = socket;
    this.command = command;
    this.cwd = command.cwd;
    this.env = command.env;
    this.serverStore = store;
    this.signal = this.#cancelled.signal;
    this.#size = command;
    this.stdin = this.#readInput();
    this.stdout = {
      isTTY: command.isOutputTerminal,
      write: async (data) => {
        const bytes = Buffer.from(data);
        for (let from = 0; from < bytes.byteLength; from += MAX_OUTPUT)
          await this.#send(Frame.output, bytes.subarray(from, from + MAX_OUTPUT));
      },
    };
    const size = (): TerminalSize => this.#size;
    this.screen = {
      write: (text) => this.#tell(text),
      ...capabilities(command.isErrorTerminal, command.env),
      get columns() {
        return size().columns || 80;
      },
      get rows() {
        return size().rows || 24;
      },
    };
  }

  /** Handles a frame of the client that belongs to a running command. Ignores unknown ones. */
  receive(kind: number, payload: Buffer): void {
    switch (kind) {
      case Frame.input:
        this.#input?.resolve(payload);
        return;
      case Frame.signal:
        this.cancel(new VarveError("cancelled", `Cannot go on: interrupted by ${signalName(payload)}`));
        return;
      case Frame.size:
        this.#size = readSize(payload);
        return;
      default:
    }
  }

  cancel(reason: VarveError): void {
    this.#cancelled.abort(reason);
    this.#input?.reject(reason);
  }

  async *#readInput(): AsyncGenerator<Uint8Array> {
    for (;;) {
      this.signal.throwIfAborted();
      this.#input = Promise.withResolvers();
      this.#input.promise.catch(() => undefined);
      await this.#send(Frame.wanted);
      const bytes = await this.#input.promise;
      if (bytes.byteLength === 0) return;
      yield bytes;
    }
  }

  /** Sends messages without waiting, as a terminal takes them. */
  #tell(text: string): void {
    const bytes = Buffer.from(text);
    for (let from = 0; from < bytes.byteLength; from += MAX_OUTPUT)
      if (this.#socket.writable) this.#socket.write(frame(Frame.message, bytes.subarray(from, from + MAX_OUTPUT)));
    if (this.#socket.writableLength > MAX_UNREAD) this.#socket.destroy();
  }

  /** Waits until the client takes the frame. Throws `cancelled` if it has gone. */
  async #send(kind: FrameKind, bytes: Uint8Array | string = ""): Promise<void> {
    this.signal.throwIfAborted();
    if (this.#socket.write(frame(kind, bytes))) return;
    await once(this.#socket, "drain", { signal: this.signal });
  }
}

/** Only the names of signals are repeated in messages. */
function signalName(payload: Buffer): string {
  const name = payload.toString("latin1");
  return /^SIG[A-Z]{1,10}$/.test(name) ? name : "a signal";
}

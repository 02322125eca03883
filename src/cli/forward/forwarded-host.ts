import { once } from "node:events";
import type { Socket } from "node:net";
import { VarveError } from "../../core/index.ts";
import type { Store } from "../../engine/index.ts";
import type { CommandHost } from "../command.ts";
import { type Screen, capabilities } from "../progress/screen.ts";
import { Frame, frame, frames } from "./frames.ts";
import { readSize } from "./read-request.ts";
import type { ForwardedCommand, TerminalSize } from "./request.ts";

/** Bytes of messages that the server keeps for a client that does not read them. More cancel the command. */
const MAX_UNREAD = 67_108_864;

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
        for (const each of frames(Frame.output, data)) await this.#send(each);
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
      await this.#send(frame(Frame.wanted));
      const bytes = await this.#input.promise;
      if (bytes.byteLength === 0) return;
      yield bytes;
    }
  }

  /** Sends messages without waiting, as a terminal takes them. */
  #tell(text: string): void {
    for (const each of frames(Frame.message, text)) if (this.#socket.writable) this.#socket.write(each);
    if (this.#socket.writableLength > MAX_UNREAD) this.#socket.destroy();
  }

  /** Waits until the client takes the frame. Throws `cancelled` if it has gone. */
  async #send(encoded: Buffer): Promise<void> {
    this.signal.throwIfAborted();
    if (this.#socket.write(encoded)) return;
    await once(this.#socket, "drain", { signal: this.signal });
  }
}

/** Only the names of signals are repeated in messages. */
function signalName(payload: Buffer): string {
  const name = payload.toString("latin1");
  return /^SIG[A-Z]{1,10}$/.test(name) ? name : "a signal";
}

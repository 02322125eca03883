/** Two ends of a connection for file transfers. */
import type { MessageStream } from "../src/filesync/index.ts";

/** Number of messages in one direction that wait to be received, before a sender has to wait. */
const WINDOW = 16;

class Direction {
  readonly #messages: Uint8Array[] = [];
  #ended = false;
  #error: Error | undefined;
  #changed = Promise.withResolvers<void>();

  async send(message: Uint8Array): Promise<void> {
    this.#messages.push(new Uint8Array(message));
    this.#change();
    while (this.#messages.length >= WINDOW && this.#error === undefined) await this.#changed.promise;
    if (this.#error !== undefined) throw this.#error;
  }

  end(error?: Error): void {
    this.#ended = true;
    this.#error ??= error;
    this.#change();
  }

  async *receive(): AsyncGenerator<readonly Uint8Array[]> {
    for (;;) {
      const messages = this.#messages.splice(0);
      if (messages.length > 0) {
        this.#change();
        yield messages;
      } else if (this.#error !== undefined) throw this.#error;
      else if (this.#ended) return;
      else await this.#changed.promise;
    }
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}

export interface StreamPair {
  /** As in a gRPC call: `closeSend` closes one direction only. */
  readonly client: MessageStream & Disposable;
  /** `closeSend` ends the call. */
  readonly server: MessageStream;
  /** Breaks the connection. */
  readonly cut: (error: Error) => void;
  /** All messages that the client and the server sent, if they are recorded. */
  readonly sent: { readonly client: Uint8Array[]; readonly server: Uint8Array[] };
}

/** Returns the two ends of a call. */
export function streamPair({ record = false }: { readonly record?: boolean } = {}): StreamPair {
  const [up, down] = [new Direction(), new Direction()];
  const sent: StreamPair["sent"] = { client: [], server: [] };
  return {
    client: {
      receive: down.receive(),
      send: async (message) => {
        if (record) sent.client.push(new Uint8Array(message));
        await up.send(message);
      },
      closeSend: async () => up.end(),
      [Symbol.dispose]: () => up.end(),
    },
    server: {
      receive: up.receive(),
      send: async (message) => {
        if (record) sent.server.push(new Uint8Array(message));
        await down.send(message);
      },
      closeSend: async () => {
        down.end();
        up.end();
      },
    },
    cut: (error) => {
      up.end(error);
      down.end(error);
    },
    sent,
  };
}

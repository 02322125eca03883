import { Duplex } from "node:stream";
import { toGrpcError } from "./error.ts";

/** Maximum bytes of one message of a tunnel, as BuildKit sends them. */
const PIECE = 32_768;
/** Bytes that wait in each direction before the other side is held back. */
const BUFFERED = 262_144;

/** The call that carries a tunnel, as pieces of bytes. */
export interface TunnelCall {
  /** The pieces that arrive, as many at a time as have arrived together. */
  readonly pieces: AsyncIterable<readonly Uint8Array[]>;
  /** Sends a piece of at most 32 KiB. Resolves when there is room for more. */
  readonly send: (piece: Uint8Array) => Promise<void>;
  /** Ends this direction. */
  readonly end: () => void;
  /** Ends the call, when the tunnel is destroyed before both directions have ended. */
  readonly cancel: () => void;
}

/**
 * Returns a connection inside a call. The end of one direction leaves the other one open. An error of the call destroys the connection
 * with that error.
 */
export function tunnel(call: TunnelCall): Duplex {
  return new Tunnel(call);
}

class Tunnel extends Duplex {
  readonly #call: TunnelCall;
  readonly #pieces: AsyncIterator<readonly Uint8Array[]>;

  constructor(call: TunnelCall) {
    super({ allowHalfOpen: true, readableHighWaterMark: BUFFERED, writableHighWaterMark: BUFFERED });
    this.#call = call;
    this.#pieces = call.pieces[Symbol.asyncIterator]();
  }

  override _read(): void {
    this.#pull().catch((error: unknown) => this.destroy(toGrpcError(error)));
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], finish: (error?: Error | null) => void): void {
    const bytes = chunks.length === 1 ? chunks[0]?.chunk : Buffer.concat(chunks.map(({ chunk }) => chunk));
    this.#send(bytes ?? Buffer.alloc(0)).then(() => finish(), finish);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, finish: (error?: Error | null) => void): void {
    this.#send(chunk).then(() => finish(), finish);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#call.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.readableEnded || !this.writableFinished) this.#call.cancel();
    callback(error);
  }

  async #pull(): Promise<void> {
    for (;;) {
      const { done, value: pieces } = await this.#pieces.next();
      if (done === true) return void this.push(null);
      // One large piece takes the connection inside much less time than many small ones.
      const bytes = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
      if (bytes === undefined || bytes.length === 0) continue;
      this.push(bytes);
      return;
    }
  }

  async #send(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; at += PIECE) await this.#call.send(bytes.subarray(at, at + PIECE));
  }
}

import type { Writable } from "node:stream";
import { GrpcCode } from "./code.ts";
import { GrpcError } from "./error.ts";
import { GrpcLimits } from "./limits.ts";

const HEAD = 5;

/** Counts the bytes of messages that have not arrived whole, over many calls. */
export class PartialBytes {
  readonly #limit: number;
  #held = 0;

  constructor(limit: number = GrpcLimits.partialMessages) {
    this.#limit = limit;
  }

  get held(): number {
    return this.#held;
  }

  /** @throws {GrpcError} `resourceExhausted` if the limit would be exceeded. */
  take(bytes: number): void {
    if (this.#held + bytes > this.#limit)
      throw new GrpcError(GrpcCode.resourceExhausted, "grpc: too many unfinished messages");
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}

/** Messages up to this size are copied behind their prefix, which is cheaper than two writes. */
const COPIED = 4096;

/** Returns the prefix of a message, with room for `body` bytes behind it. */
function prefix(size: number, body: number): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD + body);
  bytes[0] = 0;
  bytes.writeUInt32BE(size, 1);
  return bytes;
}

/** Returns a message with its prefix, as one buffer. */
export function frame(message: Uint8Array): Buffer {
  const bytes = prefix(message.length, message.length);
  bytes.set(message, HEAD);
  return bytes;
}

/**
 * Throws for a message that is too large to send.
 *
 * @throws {GrpcError} `resourceExhausted`.
 */
export function checkMessage(message: Uint8Array, limit: number = GrpcLimits.message): void {
  if (message.length <= limit) return;
  throw new GrpcError(
    GrpcCode.resourceExhausted,
    `grpc: trying to send message larger than max (${message.length} vs. ${limit})`,
  );
}

/** Writes a message to a stream, which keeps it. Returns false if the stream's buffer is full. */
export function writeMessage(stream: Writable, message: Uint8Array): boolean {
  if (message.length <= COPIED) return stream.write(frame(message));
  stream.cork();
  stream.write(prefix(message.length, 0));
  const hasRoom = stream.write(message);
  stream.uncork();
  return hasRoom;
}

const SMALLEST = 4096;
const NOTHING = Buffer.alloc(0);

/**
 * Cuts a stream of bytes into messages. Memory grows with what has arrived: not with what a prefix announces, and not with the number of
 * pieces.
 */
export class MessageReader implements Disposable {
  readonly #partial: PartialBytes;
  readonly #limit: number;
  readonly #head: Buffer = Buffer.alloc(HEAD);
  #headSize = 0;
  #body: Buffer = NOTHING;
  #size = 0;
  #malformed: GrpcError | undefined;

  constructor(partial: PartialBytes, limit: number = GrpcLimits.message) {
    this.#partial = partial;
    this.#limit = limit;
  }

  /** Returns the messages that `chunks` complete. After a malformed prefix, `check` throws: push nothing more. */
  push(chunks: readonly Buffer[]): Buffer[] {
    const messages: Buffer[] = [];
    for (const chunk of chunks) this.#push(chunk, messages);
    return messages;
  }

  #push(chunk: Buffer, messages: Buffer[]): void {
    for (let at = 0; at < chunk.length;) {
      at = this.#takeHead(chunk, at);
      if (this.#headSize < HEAD || this.#malformed !== undefined) break;
      const end = at + this.#length() - this.#size;
      if (end > chunk.length) {
        this.#keep(chunk.subarray(at));
        break;
      }
      messages.push(this.#finish(chunk.subarray(at, end)));
      at = end;
    }
  }

  /** @throws {GrpcError} `resourceExhausted` for a message over the limit, `unimplemented` for a compressed one. */
  check(): void {
    if (this.#malformed !== undefined) throw this.#malformed;
  }

  /** @throws {GrpcError} `internal` if the stream ends inside a message. */
  end(): void {
    if (this.#headSize > 0) throw new GrpcError(GrpcCode.internal, "unexpected EOF");
  }

  [Symbol.dispose](): void {
    this.#partial.give(this.#body.length);
    this.#body = NOTHING;
    this.#size = 0;
    this.#headSize = 0;
  }

  #length(): number {
    return this.#head.readUInt32BE(1);
  }

  /** Reads what is missing of a prefix, and returns where the rest of the chunk starts. */
  #takeHead(chunk: Buffer, start: number): number {
    let at = start;
    for (; this.#headSize < HEAD && at < chunk.length; at += 1, this.#headSize += 1)
      this.#head[this.#headSize] = chunk[at] ?? 0;
    if (this.#headSize === HEAD && at > start) this.#malformed = this.#fault();
    return at;
  }

  #fault(): GrpcError | undefined {
    if (this.#head[0] !== 0)
      return new GrpcError(GrpcCode.unimplemented, "grpc: Decompressor is not installed for a compressed message");
    if (this.#length() <= this.#limit) return undefined;
    const sizes = `${this.#length()} vs. ${this.#limit}`;
    return new GrpcError(GrpcCode.resourceExhausted, `grpc: received message larger than max (${sizes})`);
  }

  #keep(piece: Buffer): void {
    if (piece.length === 0) return;
    const size = this.#size + piece.length;
    if (size > this.#body.length) this.#grow(Math.min(this.#length(), Math.max(size, 2 * this.#body.length, SMALLEST)));
    piece.copy(this.#body, this.#size);
    this.#size = size;
  }

  #grow(capacity: number): void {
    this.#partial.take(capacity - this.#body.length);
    const body = Buffer.allocUnsafeSlow(capacity);
    this.#body.copy(body, 0, 0, this.#size);
    this.#body = body;
  }

  #finish(last: Buffer): Buffer {
    if (this.#size === 0) {
      this.#headSize = 0;
      return last;
    }
    this.#keep(last);
    const whole = this.#body.subarray(0, this.#size);
    this[Symbol.dispose]();
    return whole;
  }
}

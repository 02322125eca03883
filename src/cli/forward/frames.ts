/**
 * What a client and the server that runs its command send each other: frames of a kind (1 byte), the length of the payload (4 bytes,
 * little-endian) and the payload.
 */
export const Frame = {
  /** Client: the identity of its machine and user, and the command line, as JSON. The first frame. */
  request: 1,
  /** Client: run the command. Sent after `accepted`, so that a command never runs twice. */
  run: 2,
  /** Client: bytes of standard input, for one `wanted`. Empty at its end. */
  input: 3,
  /** Client: the name of a signal. */
  signal: 4,
  /** Client: the size of the terminal as JSON. */
  size: 5,
  /** Server: it will run the command, for a `run`. */
  accepted: 16,
  /** Server: bytes for standard output. */
  output: 17,
  /** Server: text for standard error. */
  message: 18,
  /** Server: wants bytes of standard input. */
  wanted: 19,
  /** Server: the exit code as text. The last frame. */
  exit: 20,
} as const;
export type FrameKind = (typeof Frame)[keyof typeof Frame];

export interface ReceivedFrame {
  /** May be unknown. */
  readonly kind: number;
  readonly payload: Buffer;
}

/** Maximum payload in bytes. An environment and a command line fit: the kernel allows them 2 MiB together. */
const MAX_PAYLOAD = 4_194_304;
/** Bytes of a payload that was split. */
const PIECE = 1_048_576;
const HEADER = 5;

/** Encodes a frame. Payloads that may be larger than the limit are for `frames`. */
export function frame(kind: FrameKind, payload: Uint8Array | string = ""): Buffer {
  const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
  const encoded = Buffer.allocUnsafe(HEADER + bytes.byteLength);
  encoded.writeUInt8(kind, 0);
  encoded.writeUInt32LE(bytes.byteLength, 1);
  encoded.set(bytes, HEADER);
  return encoded;
}

/** Encodes bytes or text of any length as frames of up to 1 MiB. */
export function* frames(kind: FrameKind, payload: Uint8Array | string): Generator<Buffer> {
  const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
  for (let from = 0; from < bytes.byteLength; from += PIECE) yield frame(kind, bytes.subarray(from, from + PIECE));
}

/** Splits bytes into frames. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #length = 0;

  /** Returns the frames that are complete with this chunk. Throws if a frame is too large. */
  push(chunk: Buffer): ReceivedFrame[] {
    this.#chunks.push(chunk);
    this.#length += chunk.byteLength;
    const frames: ReceivedFrame[] = [];
    for (let next = this.#next(); next !== undefined; next = this.#next()) frames.push(next);
    return frames;
  }

  #next(): ReceivedFrame | undefined {
    if (this.#length < HEADER) return undefined;
    const first = this.#first(HEADER);
    const size = first.readUInt32LE(1);
    if (size > MAX_PAYLOAD) throw new Error(`a frame has ${size} bytes, more than ${MAX_PAYLOAD}`);
    if (this.#length < HEADER + size) return undefined;
    const bytes = this.#first(HEADER + size);
    this.#chunks[0] = bytes.subarray(HEADER + size);
    this.#length -= HEADER + size;
    return { kind: bytes.readUInt8(0), payload: bytes.subarray(HEADER, HEADER + size) };
  }

  /** Joins chunks until the first one has at least so many bytes. */
  #first(bytes: number): Buffer {
    const [first] = this.#chunks;
    if (first !== undefined && first.byteLength >= bytes) return first;
    const joined = Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }
}

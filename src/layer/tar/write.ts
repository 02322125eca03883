import { VarveError } from "../../core/index.ts";
import type { ByteString } from "../../linux/index.ts";
import { encodeHeader } from "./encode.ts";
import { BLOCK, padding, quoted } from "./format.ts";
import type { TarBody, TarInput } from "../types.ts";

/** Pieces are gathered in chunks of this size: large ones cost less on their way. */
const CHUNK = 262_144;
/** Pieces from this size on are handed out as they are. */
const LARGE = 65_536;

/** Puts an archive together piece by piece and hands it out in large chunks. */
export class TarAssembler {
  /** Complete chunks, in order. */
  readonly #ready: Uint8Array[] = [];
  /** What is gathered, at the start of an array that is not written to again once it is handed out. */
  #gathering = Buffer.allocUnsafeSlow(CHUNK);
  #gathered = 0;
  #entry: ByteString = "";
  #expected = 0;
  #left = 0;

  /** Begins an entry of `size` bytes; the one before must be complete. */
  begin(input: TarInput, size: number): void {
    this.#checkComplete();
    this.#entry = input.path;
    this.#expected = size;
    this.#left = size;
    this.#gather(encodeHeader(input, size));
  }

  /** Adds content; the assembler owns the array from then on. */
  append(data: Uint8Array): void {
    this.#count(data);
    if (data.byteLength < LARGE) this.#gather(data);
    else {
      this.#seal();
      this.#ready.push(data);
    }
    this.#pad();
  }

  /** Adds content, and leaves the array to the caller. */
  copy(data: Uint8Array): void {
    this.#count(data);
    this.#gather(data);
    this.#pad();
  }

  end(): void {
    this.#checkComplete();
    this.#zeros(2 * BLOCK);
    this.#seal();
  }

  /** The next chunk, if enough has gathered. */
  take(): Uint8Array | undefined {
    return this.#ready.shift();
  }

  #count(data: Uint8Array): void {
    if (data.byteLength > this.#left) throw this.#wrongSize(this.#expected - this.#left + data.byteLength);
    this.#left -= data.byteLength;
  }

  #pad(): void {
    if (this.#left === 0) this.#zeros(padding(this.#expected));
  }

  #zeros(size: number): void {
    if (size > 0) this.#gather(ZEROS.subarray(0, size));
  }

  #gather(data: Uint8Array): void {
    for (let from = 0; from < data.byteLength;) {
      const piece = data.subarray(from, from + this.#gathering.length - this.#gathered);
      this.#gathering.set(piece, this.#gathered);
      this.#gathered += piece.byteLength;
      from += piece.byteLength;
      if (this.#gathered === this.#gathering.length) this.#seal();
    }
  }

  /** Makes a chunk of what is gathered, and goes on in the rest of the array, or in another if there is none. */
  #seal(): void {
    if (this.#gathered > 0) this.#ready.push(this.#gathering.subarray(0, this.#gathered));
    const rest = this.#gathering.subarray(this.#gathered);
    this.#gathering = rest.length === 0 ? Buffer.allocUnsafeSlow(CHUNK) : rest;
    this.#gathered = 0;
  }

  #checkComplete(): void {
    if (this.#left > 0) throw this.#wrongSize(this.#expected - this.#left);
  }

  #wrongSize(size: number): VarveError {
    return new VarveError(
      "corrupt",
      `Cannot write archive entry ${quoted(this.#entry)}: ${size} of ${this.#expected} bytes arrived`,
    );
  }
}

const ZEROS = Buffer.alloc(2 * BLOCK);

/** What has gathered so far, chunk by chunk. */
export function* chunksOf(out: TarAssembler): Generator<Uint8Array> {
  for (let chunk = out.take(); chunk !== undefined; chunk = out.take()) yield chunk;
}

function sizeOf(body: TarBody | undefined): number {
  if (body === undefined) return 0;
  if (typeof body === "string") return Buffer.byteLength(body);
  return body instanceof Uint8Array ? body.byteLength : body.size;
}

async function* piecesOf(body: TarBody | undefined): AsyncGenerator<Uint8Array> {
  if (body === undefined) return;
  if (typeof body === "string") yield Buffer.from(body);
  else if (body instanceof Uint8Array) yield body;
  else yield* body.bytes;
}

/**
 * Writes an archive: each entry in the order given, two zero blocks at the end, nothing more. The same inputs give the same
 * bytes. Throws `corrupt` if a streamed body is not of the size it said.
 */
export async function* writeTar(inputs: Iterable<TarInput> | AsyncIterable<TarInput>): AsyncGenerator<Uint8Array> {
  const out = new TarAssembler();
  for await (const input of inputs) {
    out.begin(input, sizeOf(input.body));
    for await (const piece of piecesOf(input.body)) {
      out.append(piece);
      yield* chunksOf(out);
    }
  }
  out.end();
  yield* chunksOf(out);
}

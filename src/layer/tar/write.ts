import { VarveError } from "../../core/index.ts";
import type { ByteString } from "../../linux/index.ts";
import { encodeHeader } from "./encode.ts";
import { BLOCK, padding, quoted } from "./format.ts";
import type { TarBody, TarInput } from "../types.ts";

/** Size of the chunks that small pieces are combined into. Bytes. */
const CHUNK = 262_144;
/** Pieces from this size on become chunks without being copied. Bytes. */
const LARGE = 65_536;

/** Assembles an archive from pieces of content, and returns it in large chunks. */
export class TarAssembler {
  /** Complete chunks, in order. */
  readonly #ready: Uint8Array[] = [];
  /** The chunk that small pieces are copied into. A part of it that was returned is never written again. */
  #chunk = Buffer.allocUnsafeSlow(CHUNK);
  /** Number of bytes in `#chunk`. */
  #filled = 0;
  #entry: ByteString = "";
  #expected = 0;
  #left = 0;

  /** Begins an entry of `size` bytes. Throws `corrupt` unless the previous entry is complete. */
  begin(input: TarInput, size: number): void {
    this.#checkComplete();
    this.#entry = input.path;
    this.#expected = size;
    this.#left = size;
    this.#gather(encodeHeader(input, size));
  }

  /** Adds content. The caller must not use the array again. */
  append(data: Uint8Array): void {
    this.#count(data);
    if (data.byteLength < LARGE) this.#gather(data);
    else {
      this.#seal();
      this.#ready.push(data);
    }
    this.#pad();
  }

  /** Adds a copy of the content. The caller may use the array again. */
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

  /** Returns the next complete chunk, if there is one. */
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
      const piece = data.subarray(from, from + this.#chunk.length - this.#filled);
      this.#chunk.set(piece, this.#filled);
      this.#filled += piece.byteLength;
      from += piece.byteLength;
      if (this.#filled === this.#chunk.length) this.#seal();
    }
  }

  /** Makes the filled part of the chunk available. Continues in the rest of its array, or in a new array if it is full. */
  #seal(): void {
    if (this.#filled > 0) this.#ready.push(this.#chunk.subarray(0, this.#filled));
    const rest = this.#chunk.subarray(this.#filled);
    this.#chunk = rest.length === 0 ? Buffer.allocUnsafeSlow(CHUNK) : rest;
    this.#filled = 0;
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

/** Returns all complete chunks. */
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
 * Writes an archive: the entries in the given order, then two zero blocks. Equal inputs give equal bytes.
 * @throws {VarveError} `corrupt` if a stream does not have the size that its entry says
 *
 * @example
 * await writeFile("a.tar", writeTar([{ path: "d", type: "directory" }, { path: "d/f", body: "text" }]));
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

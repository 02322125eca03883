import { VarveError } from "../core/index.ts";
import type { ByteString } from "../linux/index.ts";
import { encodeHeader } from "./tar-encode.ts";
import { BLOCK, padding, quoted } from "./tar-format.ts";
import type { TarBody, TarInput } from "./types.ts";

/** Chunks are joined until they have this size: large ones cost less on their way. */
const CHUNK = 262_144;

/** Puts an archive together piece by piece and hands it out in large chunks. */
export class TarAssembler {
  #pieces: Uint8Array[] = [];
  #size = 0;
  #entry: ByteString = "";
  #expected = 0;
  #left = 0;

  /** Begins an entry of `size` bytes; the one before must be complete. */
  begin(input: TarInput, size: number): void {
    this.#checkComplete();
    this.#entry = input.path;
    this.#expected = size;
    this.#left = size;
    this.#push(encodeHeader(input, size));
  }

  /** Adds content; the assembler owns the array from then on. */
  append(data: Uint8Array): void {
    if (data.byteLength > this.#left) throw this.#wrongSize(this.#expected - this.#left + data.byteLength);
    this.#push(data);
    this.#left -= data.byteLength;
    if (this.#left === 0) this.#push(Buffer.alloc(padding(this.#expected)));
  }

  end(): void {
    this.#checkComplete();
    this.#push(Buffer.alloc(2 * BLOCK));
  }

  /** A chunk if enough has gathered, or with `all` whatever there is; undefined if there is nothing to hand out. */
  take(all = false): Uint8Array | undefined {
    if (this.#size === 0 || (!all && this.#size < CHUNK)) return undefined;
    const chunk = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces, this.#size);
    this.#pieces = [];
    this.#size = 0;
    return chunk;
  }

  #push(data: Uint8Array): void {
    if (data.byteLength === 0) return;
    this.#pieces.push(data);
    this.#size += data.byteLength;
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
      const chunk = out.take();
      if (chunk !== undefined) yield chunk;
    }
  }
  out.end();
  const last = out.take(true);
  if (last !== undefined) yield last;
}

import { VarveError } from "../../core/index.ts";
import type { Bytes } from "../../io/index.ts";

/** Returns the bytes of a blob from `offset`. Called once per attempt. */
export type BlobSource = (offset: number) => Bytes;

/**
 * The bytes of a blob for consecutive requests. A part that starts where the previous one ended continues the same stream, so that a
 * verifying source is read only once.
 */
export class BlobParts implements AsyncDisposable {
  readonly #source: BlobSource;
  readonly #what: string;
  #stream: AsyncIterator<Uint8Array> | undefined;
  /** Bytes that were read and not consumed yet. */
  #rest: Uint8Array = new Uint8Array();
  #at = 0;
  #parts = 0;

  constructor(source: BlobSource, what: string) {
    this.#source = source;
    this.#what = what;
  }

  /** Exactly `length` bytes from `start` on; throws `corrupt` if the source has fewer. Ends the previous part. */
  async *part(start: number, length: number): AsyncGenerator<Uint8Array> {
    const own = (this.#parts += 1);
    if (this.#stream === undefined || this.#at !== start) await this.#restart(start);
    for (let left = length; left > 0;) {
      const chunk = await this.#next(left);
      // A request that failed may still ask for its bytes.
      if (own !== this.#parts) return;
      const taken = chunk.subarray(0, left);
      this.#rest = chunk.subarray(taken.byteLength);
      this.#at += taken.byteLength;
      left -= taken.byteLength;
      yield taken;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    await stream?.return?.();
  }

  async #restart(start: number): Promise<void> {
    await this[Symbol.asyncDispose]();
    this.#stream = this.#source(start)[Symbol.asyncIterator]();
    this.#rest = new Uint8Array();
    this.#at = start;
  }

  async #next(left: number): Promise<Uint8Array> {
    if (this.#rest.byteLength > 0) return this.#rest;
    const next = await this.#stream?.next();
    if (next === undefined || next.done === true) {
      this.#stream = undefined;
      throw new VarveError("corrupt", `Cannot push ${this.#what}: its source ended ${left} bytes early`);
    }
    return next.value;
  }
}

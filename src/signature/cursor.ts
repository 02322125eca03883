import { invalidSignature } from "./failure.ts";

/** Reads numbers and strings from bytes. It throws `corrupt` past the end. */
export class Cursor {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  /** `what` names the bytes in errors. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  get position(): number {
    return this.#at;
  }

  take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw invalidSignature(`failed to parse ${this.#what}: unexpected end`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Reads a big-endian number of at most four bytes. */
  number(length: number): number {
    let value = 0;
    for (const byte of this.take(length)) value = value * 256 + byte;
    return value;
  }

  /** Reads what is left. */
  rest(): Uint8Array {
    return this.take(this.#bytes.length - this.#at);
  }
}

import { VarveError } from "../core/index.ts";

/** Appends numbers and byte strings to a growing buffer. A byte string has one character for each byte (latin1). */
export class ByteWriter {
  #buffer = Buffer.allocUnsafe(4096);
  #end = 0;

  /** Appends a number as a varint: seven bits a byte, the lowest first. */
  number(value: number): void {
    this.#reserve(10);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#buffer[this.#end++] = (rest % 0x80) | 0x80;
    this.#buffer[this.#end++] = rest;
  }

  /** Appends the length and the bytes. */
  text(bytes: string): void {
    this.number(bytes.length);
    this.#reserve(bytes.length);
    this.#end += this.#buffer.write(bytes, this.#end, "latin1");
  }

  /** Appends bytes that are given in hexadecimal. */
  hex(digits: string): void {
    this.#reserve(digits.length / 2);
    this.#end += this.#buffer.write(digits, this.#end, "hex");
  }

  /** Returns a copy of what was written. */
  take(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#end));
  }

  #reserve(count: number): void {
    if (this.#end + count <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#end + count));
    this.#buffer.copy(grown, 0, 0, this.#end);
    this.#buffer = grown;
  }
}

/** Reads what `ByteWriter` wrote. Throws `corrupt` at the end of the bytes. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  number(): number {
    let value = 0;
    for (let factor = 1; factor < Number.MAX_SAFE_INTEGER; factor *= 0x80) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      value += (byte % 0x80) * factor;
      if (byte < 0x80 && value <= Number.MAX_SAFE_INTEGER) return value;
      if (byte < 0x80) break;
    }
    throw malformed();
  }

  text(): string {
    return this.#take(this.number()).toString("latin1");
  }

  hex(count: number): string {
    return this.#take(count).toString("hex");
  }

  #take(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw malformed();
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

function malformed(): VarveError {
  return new VarveError("corrupt", "Cannot read an encoded list: it is malformed");
}

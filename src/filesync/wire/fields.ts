import { VarveError } from "../../core/index.ts";

const TRUNCATED = "it ends in the middle of a field";
const TWO_32 = 4_294_967_296;

/** Returns the error for a message that is not valid. */
export function corruptPacket(state: string): VarveError {
  return new VarveError("corrupt", `Cannot read a packet of a file transfer: ${state}`);
}

/** Reads the fields of a Protocol Buffers message. */
export class FieldReader {
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #end: number;
  #at: number;
  /** The number of the current field. */
  field = 0;
  #type = 0;

  private constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#at = start;
  }

  static of(message: Uint8Array): FieldReader {
    const bytes = Buffer.isBuffer(message)
      ? message
      : Buffer.from(message.buffer, message.byteOffset, message.byteLength);
    return new FieldReader(bytes, 0, bytes.length);
  }

  /** The whole message: not a copy. */
  get content(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** Goes to the next field. Returns false at the end. Every field must be read or skipped. */
  next(): boolean {
    if (this.#at >= this.#end) return false;
    const tag = this.uint32();
    this.field = tag >>> 3;
    this.#type = tag & 7;
    if (this.field === 0) throw corruptPacket("a field has number 0");
    return true;
  }

  /** Reads a varint, and drops all but its lowest 32 bits. */
  uint32(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte();
      if (shift < 28) value |= (byte & 0x7f) << shift;
      else if (shift === 28) value |= (byte & 0x0f) << 28;
      if (byte < 0x80) return value >>> 0;
    }
    throw corruptPacket("a number has more than ten bytes");
  }

  /** Reads a varint as a signed number of 64 bits. */
  int64(): bigint {
    let [low, high] = [0, 0];
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte();
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high |= bits >>> 4;
      } else if (shift < 64) high |= bits << (shift - 32);
      if (byte < 0x80) return int64Of(high | 0, low >>> 0);
    }
    throw corruptPacket("a number has more than ten bytes");
  }

  /** Reads a field with bytes: a part of the message, not a copy. */
  bytes(): Uint8Array {
    const start = this.#skipBytes();
    return this.#bytes.subarray(start, this.#at);
  }

  /** Reads a field with bytes as a string with one character for each byte. */
  text(): string {
    const start = this.#skipBytes();
    return this.#bytes.toString("latin1", start, this.#at);
  }

  /** Returns a reader of the message in a field. */
  message(): FieldReader {
    const start = this.#skipBytes();
    return new FieldReader(this.#bytes, start, this.#at);
  }

  /** Returns whether the current field has the wire type of numbers. If not, skips it. */
  isNumber(): boolean {
    return this.#is(0);
  }

  /** Returns whether the current field has the wire type of bytes, strings and messages. If not, skips it. */
  isBytes(): boolean {
    return this.#is(2);
  }

  /** Skips the current field. */
  skip(): void {
    switch (this.#type) {
      case 0:
        this.uint32();
        return;
      case 1:
        return this.#advance(8);
      case 2:
        this.#skipBytes();
        return;
      case 5:
        return this.#advance(4);
      default:
        throw corruptPacket(`field ${this.field} has wire type ${this.#type}`);
    }
  }

  #is(type: number): boolean {
    if (this.#type === type) return true;
    this.skip();
    return false;
  }

  /** Goes behind a field with bytes. Returns where they start. */
  #skipBytes(): number {
    const size = this.uint32();
    const start = this.#at;
    this.#advance(size);
    return start;
  }

  #advance(size: number): void {
    if (size > this.#end - this.#at) throw corruptPacket(TRUNCATED);
    this.#at += size;
  }

  #byte(): number {
    const byte = this.#at < this.#end ? this.#bytes[this.#at] : undefined;
    if (byte === undefined) throw corruptPacket(TRUNCATED);
    this.#at += 1;
    return byte;
  }
}

function int64Of(high: number, low: number): bigint {
  // Most numbers are sizes, which have an exact sum.
  if (high >= 0 && high < 0x20_0000) return BigInt(high * TWO_32 + low);
  return (BigInt(high) << 32n) | BigInt(low);
}

/** Writes the fields of a Protocol Buffers message. Leaves out fields that have the default value. */
export class FieldWriter {
  #bytes: Buffer;
  #at = 0;

  /** `size` is a guess of the size of the message. */
  constructor(size = 128) {
    this.#bytes = Buffer.allocUnsafe(size);
  }

  uint32(field: number, value: number): void {
    if (value === 0) return;
    this.#reserve(20);
    this.#varint(field << 3);
    this.#varint(value);
  }

  int64(field: number, value: bigint): void {
    if (value === 0n) return;
    this.#reserve(20);
    this.#varint(field << 3);
    for (let rest = BigInt.asUintN(64, value); ; rest >>= 7n) {
      const byte = Number(rest & 0x7fn);
      const last = rest < 0x80n;
      this.#bytes[this.#at] = last ? byte : byte | 0x80;
      this.#at += 1;
      if (last) return;
    }
  }

  /** Writes bytes, or a string with one character for each byte. */
  bytes(field: number, value: Uint8Array | string): void {
    if (value.length > 0) this.message(field, value);
  }

  /** Writes the bytes of a message, even if there are none. */
  message(field: number, value: Uint8Array | string): void {
    this.#reserve(20 + value.length);
    this.#varint((field << 3) | 2);
    this.#varint(value.length);
    if (typeof value === "string") this.#bytes.write(value, this.#at, "latin1");
    else this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  /** Returns what was written. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #varint(value: number): void {
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) {
      this.#bytes[this.#at] = (rest & 0x7f) | 0x80;
      this.#at += 1;
    }
    this.#bytes[this.#at] = rest;
    this.#at += 1;
  }

  #reserve(size: number): void {
    if (this.#at + size <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + size));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

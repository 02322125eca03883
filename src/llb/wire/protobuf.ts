import { VarveError } from "../../core/index.ts";

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

const UINT64 = (1n << 64n) - 1n;

function pushVarint(out: number[], value: number | bigint): void {
  if (typeof value === "number" && value >= 0 && value < 0x8000_0000) {
    let rest = value;
    for (; rest > 0x7f; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
    out.push(rest);
    return;
  }
  let rest = BigInt(value) & UINT64;
  for (; rest > 0x7fn; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  out.push(Number(rest));
}

/**
 * Writes a protocol buffers message (proto3). The result equals that of Go's deterministic marshalling if the caller writes
 * fields in the order of their numbers and those of a `oneof` last. Zero values of plain fields are omitted. Maps are sorted
 * by key and keep zero values.
 */
export class ProtoWriter {
  readonly #out: Uint8Array[] = [];

  /** Writes an integer, enum or bool field. Negative numbers take ten bytes. */
  varint(field: number, value: number | bigint | boolean): this {
    const number = typeof value === "boolean" ? Number(value) : value;
    return number === 0 || number === 0n ? this : this.oneofVarint(field, number);
  }

  /** Writes an integer of a `oneof`. Zero is written too, because it shows which member is set. */
  oneofVarint(field: number, value: number | bigint): this {
    const head: number[] = [];
    pushVarint(head, field * 8 + VARINT);
    pushVarint(head, value);
    this.#out.push(Uint8Array.from(head));
    return this;
  }

  /** Writes a string or bytes field. */
  bytes(field: number, value: string | Uint8Array): this {
    return value.length === 0 ? this : this.#delimited(field, typeof value === "string" ? Buffer.from(value) : value);
  }

  /** Writes a repeated string or bytes field. Empty elements are written too. */
  repeated(field: number, values: readonly (string | Uint8Array)[]): this {
    for (const value of values) this.#delimited(field, typeof value === "string" ? Buffer.from(value) : value);
    return this;
  }

  /** Writes a repeated integer field, packed. */
  packed(field: number, values: readonly number[]): this {
    if (values.length === 0) return this;
    const body: number[] = [];
    for (const value of values) pushVarint(body, value);
    return this.#delimited(field, Uint8Array.from(body));
  }

  /** Writes a message field, even if the message is empty. Undefined writes nothing. */
  message(field: number, message: ProtoWriter | undefined): this {
    return message === undefined ? this : this.#delimited(field, message.finish());
  }

  /** Writes a map field, sorted by key. `value` writes a value as field 2 of its entry. */
  map<V>(field: number, map: ReadonlyMap<string, V>, value: (value: V, entry: ProtoWriter) => void): this {
    const sorted = [...map].map(([key, item]) => [Buffer.from(key), item] as const);
    sorted.sort(([a], [b]) => Buffer.compare(a, b));
    for (const [key, item] of sorted) {
      const entry = new ProtoWriter().#delimited(1, key);
      value(item, entry);
      this.message(field, entry);
    }
    return this;
  }

  strings(field: number, map: ReadonlyMap<string, string>): this {
    return this.map(field, map, (value, entry) => entry.repeated(2, [value]));
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#out);
  }

  #delimited(field: number, value: Uint8Array): this {
    const head: number[] = [];
    pushVarint(head, field * 8 + BYTES);
    pushVarint(head, value.length);
    this.#out.push(Uint8Array.from(head), value);
    return this;
  }
}

/** One field of a serialised message: a varint, or the bytes of a string, message or packed list. */
export interface ProtoField {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

function malformed(why: string): VarveError {
  return new VarveError("corrupt", `Cannot read a protocol buffers message: ${why}`);
}

class Cursor {
  readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.bytes[this.at];
      if (byte === undefined) throw malformed("it ends inside a number");
      this.at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value & UINT64;
    }
    throw malformed("a number is longer than ten bytes");
  }

  take(length: number): Uint8Array {
    if (length > this.bytes.length - this.at) throw malformed("it ends inside a field");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

/** A field with its bytes, tag included. `value` is undefined for a field of fixed width. */
interface RawField {
  readonly number: number;
  readonly value: bigint | Uint8Array | undefined;
  readonly start: number;
  readonly end: number;
}

function* rawFields(bytes: Uint8Array): Generator<RawField> {
  const cursor = new Cursor(bytes);
  while (cursor.at < bytes.length) {
    const start = cursor.at;
    const tag = cursor.varint();
    const number = Number(tag >> 3n);
    if (number === 0 || number > 0x1fff_ffff) throw malformed("a field has an impossible number");
    const value = readValue(cursor, Number(tag & 7n));
    yield { number, value, start, end: cursor.at };
  }
}

function readValue(cursor: Cursor, wire: number): bigint | Uint8Array | undefined {
  switch (wire) {
    case VARINT:
      return cursor.varint();
    case BYTES:
      return cursor.take(Number(cursor.varint()));
    case FIXED64:
    case FIXED32:
      cursor.take(wire === FIXED64 ? 8 : 4);
      return undefined;
    default:
      throw malformed(`a field has wire type ${wire}`);
  }
}

/**
 * Yields the fields of a message in order. Fixed-width fields are skipped, because the formats read here have none.
 *
 * @throws {VarveError} `corrupt` for a malformed message, and for one with groups.
 */
export function* readFields(bytes: Uint8Array): Generator<ProtoField> {
  for (const { number, value } of rawFields(bytes)) if (value !== undefined) yield { number, value };
}

/**
 * Returns a message in which the bytes of some string or message fields are replaced. `replace` returns the new bytes, or
 * undefined to keep the field as it is. All other fields keep their bytes and their order, those that are not known here too.
 */
export function replaceFields(
  bytes: Uint8Array,
  replace: (number: number, value: Uint8Array) => Uint8Array | undefined,
): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const { number, value, start, end } of rawFields(bytes)) {
    const replaced = value instanceof Uint8Array ? replace(number, value) : undefined;
    parts.push(
      replaced === undefined ? bytes.subarray(start, end) : new ProtoWriter().repeated(number, [replaced]).finish(),
    );
  }
  return Buffer.concat(parts);
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A type whose fields can be assigned, for decoders that fill in an object field by field. */
export type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Calls a reader for each field of a message by its number. Other fields are ignored. */
export function readInto(
  bytes: Uint8Array,
  readers: readonly (readonly [number, (field: ProtoField) => void])[],
): void {
  const byNumber = new Map(readers);
  for (const field of readFields(bytes)) byNumber.get(field.number)?.(field);
}

/** Returns a field's value as bytes. This and the functions below throw `corrupt` if the value has another type. */
export function asBytes({ number, value }: ProtoField): Uint8Array {
  if (typeof value === "bigint") throw malformed(`field ${number} is a number`);
  return value;
}

export function asText(field: ProtoField): string {
  try {
    return utf8.decode(asBytes(field));
  } catch (error) {
    if (error instanceof VarveError) throw error;
    throw malformed(`field ${field.number} is not UTF-8`);
  }
}

export function asInt64({ number, value }: ProtoField): bigint {
  if (typeof value !== "bigint") throw malformed(`field ${number} is not a number`);
  return BigInt.asIntN(64, value);
}

export function asInt(field: ProtoField): number {
  const value = Number(asInt64(field));
  if (!Number.isSafeInteger(value)) throw malformed(`field ${field.number} is too large`);
  return value;
}

export function asInt32(field: ProtoField): number {
  return Number(BigInt.asIntN(32, asInt64(field)));
}

export function asUint32(field: ProtoField): number {
  return Number(BigInt.asUintN(32, asInt64(field)));
}

export function asBool(field: ProtoField): boolean {
  return asInt64(field) !== 0n;
}

/** Reads a repeated integer field, packed or not. */
export function asInts(field: ProtoField): number[] {
  if (typeof field.value === "bigint") return [asInt(field)];
  const cursor = new Cursor(field.value);
  const values: number[] = [];
  while (cursor.at < field.value.length) values.push(asInt({ number: field.number, value: cursor.varint() }));
  return values;
}

/** Adds an entry of a map field to `map`. `zero` is the value of an entry without one. */
export function addEntry<V>(map: Map<string, V>, field: ProtoField, value: (field: ProtoField) => V, zero: V): void {
  let key = "";
  let item = zero;
  for (const part of readFields(asBytes(field))) {
    if (part.number === 1) key = asText(part);
    else if (part.number === 2) item = value(part);
  }
  map.set(key, item);
}

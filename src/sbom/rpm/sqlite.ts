/**
 * Reads the rows of a table in a file of SQLite. https://www.sqlite.org/fileformat2.html is the format. The file may have been made by
 * anybody: no page is read twice, and rows are counted, so that the work is bounded.
 */
const MAGIC = Buffer.from("SQLite format 3\0");
/** The first page begins with the header of the file. */
const FILE_HEADER = 100;
const SCHEMA_PAGE = 1;
/** No table that is read here has as many rows. */
const MAX_ROWS = 1_000_000;
const LEAF = 0x0d;
const INTERIOR = 0x05;

/** A value of a row. Numbers other than small integers are of no use here. */
type Value = number | Buffer | undefined;

/** Yields the rows of a table in the order of their ids; none if the file is none of SQLite's, or has no such table. */
export function* tableRows(bytes: Buffer, name: string): Generator<readonly Value[]> {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC) || bytes.length < FILE_HEADER) return;
  const pages = new Pages(bytes);
  for (const [type, called, , root] of pages.rows(SCHEMA_PAGE))
    if (isText(type, "table") && isText(called, name) && typeof root === "number") return yield* pages.rows(root);
}

function isText(value: Value, text: string): boolean {
  return Buffer.isBuffer(value) && value.toString() === text;
}

class Pages {
  readonly #bytes: Buffer;
  readonly #size: number;
  /** Bytes of a page that hold content. */
  readonly #usable: number;
  readonly #read = new Set<number>();

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    const size = bytes.readUInt16BE(16);
    this.#size = size === 1 ? 65_536 : size;
    this.#usable = this.#size - (bytes[20] ?? 0);
  }

  /** Yields the rows below a page. A stack, because a tree may be as deep as its maker wants. */
  *rows(root: number): Generator<readonly Value[]> {
    const next = [root];
    let rows = 0;
    for (let number = next.pop(); number !== undefined; number = next.pop()) {
      const page = this.#page(number);
      if (page === undefined) continue;
      const start = number === SCHEMA_PAGE ? FILE_HEADER : 0;
      const type = page[start];
      if (type === LEAF)
        for (const at of cells(page, start, 8)) {
          rows += 1;
          if (rows > MAX_ROWS) return;
          yield this.#row(page, at);
        }
      if (type === INTERIOR) {
        const below = [...cells(page, start, 12)].map((at) => page.readUInt32BE(at));
        next.push(page.readUInt32BE(start + 8), ...below.toReversed());
      }
    }
  }

  #page(number: number): Buffer | undefined {
    const start = (number - 1) * this.#size;
    const page = this.#bytes.subarray(start, start + this.#size);
    if (number < 1 || page.length < this.#size || this.#size < 512 || this.#read.has(number)) return undefined;
    this.#read.add(number);
    return page;
  }

  #row(page: Buffer, at: number): readonly Value[] {
    const size = varint(page, at);
    const id = varint(page, size.end);
    return record(this.#payload(page, id.end, size.value));
  }

  /** A payload that does not fit in its page continues in a list of further pages. */
  #payload(page: Buffer, start: number, size: number): Buffer {
    const local = localSize(size, this.#usable);
    const parts = [page.subarray(start, start + local)];
    if (local === size || start + local + 4 > page.length) return Buffer.concat(parts);
    let left = size - local;
    let next = page.readUInt32BE(start + local);
    for (let more = this.#page(next); more !== undefined && left > 0; more = this.#page(next)) {
      const part = more.subarray(4, Math.min(this.#usable, 4 + left));
      parts.push(part);
      left -= part.length;
      next = more.readUInt32BE(0);
    }
    return Buffer.concat(parts);
  }
}

/** Bytes of a payload that are in the page of its cell. */
function localSize(size: number, usable: number): number {
  const most = usable - 35;
  if (size <= most) return size;
  const least = Math.floor(((usable - 12) * 32) / 255) - 23;
  const rest = least + ((size - least) % (usable - 4));
  return rest <= most ? rest : least;
}

function* cells(page: Buffer, start: number, header: number): Generator<number> {
  const count = page.readUInt16BE(start + 3);
  for (let index = 0; index < count; index += 1) {
    const at = start + header + index * 2;
    if (at + 2 > page.length) return;
    const cell = page.readUInt16BE(at);
    if (cell + 4 <= page.length) yield cell;
  }
}

function record(payload: Buffer): readonly Value[] {
  const header = varint(payload, 0);
  const values: Value[] = [];
  let at = header.value;
  for (let type = header.end; type < Math.min(header.value, payload.length);) {
    const { value, end } = varint(payload, type);
    const size = sizeOf(value);
    values.push(valueOf(value, payload.subarray(at, at + size)));
    at += size;
    type = end;
  }
  return values;
}

/** Bytes of a value, by its serial type. */
function sizeOf(type: number): number {
  if (type >= 12) return Math.floor((type - 12) / 2);
  return [0, 1, 2, 3, 4, 6, 8, 8, 0, 0][type] ?? 0;
}

function valueOf(type: number, bytes: Buffer): Value {
  if (type >= 12) return bytes;
  if (type === 8 || type === 9) return type - 8;
  return type >= 1 && type <= 5 && bytes.length === sizeOf(type) ? bytes.readIntBE(0, bytes.length) : undefined;
}

/** Reads an integer of 1 to 9 bytes, the highest first. One that is too large for a size is of no use. */
function varint(bytes: Buffer, start: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let at = start; at < start + 9; at += 1) {
    const byte = bytes[at] ?? 0;
    if (at === start + 8) return { value: value * 256 + byte, end: at + 1 };
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return { value, end: at + 1 };
  }
  return { value, end: start + 9 };
}

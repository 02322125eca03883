/** Reads `Packages`, a hash of Berkeley DB, which rpm had before version 4.16: db_page.h of Berkeley DB. */
const HASH_MAGIC = 0x061561;
/** Where fields of the first page and of all pages are. */
const META = { magic: 12, pageSize: 20, encryption: 24, lastPage: 32 } as const;
const FIELD = { next: 16, entries: 20, used: 22, type: 25 } as const;
const PAGE_HEADER = 26;
const PAGE_TYPES = { hashUnsorted: 2, overflow: 7, hash: 13 } as const;
/** An item whose bytes are in pages of their own. Headers of packages are too large for any other. */
const OFF_PAGE = 3;
const OFF_PAGE_SIZE = 12;

/** Yields the values of the hash that have pages of their own; none if the file is not such a hash. */
export function* berkeleyValues(bytes: Buffer): Generator<Buffer> {
  const order = byteOrder(bytes);
  if (order === undefined || bytes[META.encryption] !== 0) return;
  const size = order.word(bytes, META.pageSize);
  if (size < 512 || size > 65_536) return;
  const count = Math.min(Math.floor(bytes.length / size), order.word(bytes, META.lastPage) + 1);
  const pages: Pages = {
    order,
    count,
    at: (number) => bytes.subarray(number * size, (number + 1) * size),
    read: new Set(),
  };
  for (let number = 1; number < count; number += 1) {
    const page = pages.at(number);
    const type = page[FIELD.type];
    if (type === PAGE_TYPES.hash || type === PAGE_TYPES.hashUnsorted) yield* valuesOf(page, pages);
  }
}

interface Pages {
  readonly order: Order;
  readonly count: number;
  readonly at: (number: number) => Buffer;
  /** Overflow pages that have been read: each belongs to one value. */
  readonly read: Set<number>;
}

interface Order {
  readonly word: (from: Buffer, at: number) => number;
  readonly half: (from: Buffer, at: number) => number;
}

const LITTLE: Order = { word: (from, at) => from.readUInt32LE(at), half: (from, at) => from.readUInt16LE(at) };
const BIG: Order = { word: (from, at) => from.readUInt32BE(at), half: (from, at) => from.readUInt16BE(at) };

/** Files have the byte order of the machine that made them. */
function byteOrder(bytes: Buffer): Order | undefined {
  if (bytes.length < 512) return undefined;
  return [LITTLE, BIG].find((order) => order.word(bytes, META.magic) === HASH_MAGIC);
}

/** Keys and values are in turns. */
function* valuesOf(page: Buffer, pages: Pages): Generator<Buffer> {
  const { half, word } = pages.order;
  const entries = Math.min(half(page, FIELD.entries), Math.floor((page.length - PAGE_HEADER) / 2));
  for (let index = 1; index < entries; index += 2) {
    const at = half(page, PAGE_HEADER + index * 2);
    if (at + OFF_PAGE_SIZE > page.length || page[at] !== OFF_PAGE) continue;
    yield chain(word(page, at + 4), word(page, at + 8), pages);
  }
}

function chain(first: number, size: number, { order, count, at, read }: Pages): Buffer {
  const parts: Buffer[] = [];
  let left = size;
  for (let number = first; number !== 0 && number < count && left > 0 && !read.has(number);) {
    read.add(number);
    const page = at(number);
    if (page[FIELD.type] !== PAGE_TYPES.overflow) break;
    const part = page.subarray(PAGE_HEADER, PAGE_HEADER + Math.min(left, order.half(page, FIELD.used)));
    parts.push(part);
    left -= part.length;
    number = order.word(page, FIELD.next);
  }
  return Buffer.concat(parts);
}

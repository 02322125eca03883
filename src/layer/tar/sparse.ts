import { Limits, VarveError } from "../../core/index.ts";
import { BLOCK, corruptArchive, type Field } from "./format.ts";
import type { HeaderBlock } from "./header.ts";
import { parseDecimal, parseNumeric } from "./number.ts";
import { type PaxRecords, SPARSE_PREFIX } from "./pax.ts";
import type { TarSource } from "./source.ts";

/** A part of a sparse file that is stored in the archive. In bytes. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** The layout of a sparse file. The archive stores its extents in order, without gaps. Between the extents are holes. */
export interface SparseLayout {
  readonly extents: readonly Extent[];
  /** Size of the file in bytes, including holes. */
  readonly size: number;
  /** Size of all extents in bytes. */
  readonly stored: number;
}

/** What is known about a sparse entry before its map is read. */
export interface SparseEntry {
  readonly block: HeaderBlock;
  readonly pax: PaxRecords;
  /** Bytes that follow the header, including the map of PAX 1.0. */
  readonly stored: number;
  /** Maximum size of the map in bytes. */
  readonly maxMap: number;
}

/** The place of extents in a block: 12 bytes of offset and 12 of length for each. GNU tar manual, "Storing Sparse Files". */
interface ExtentFields {
  readonly from: number;
  readonly count: number;
  /** Offset of the byte that says whether a block with more extents follows. */
  readonly more: number;
}

const IN_HEADER: ExtentFields = { from: 386, count: 4, more: 482 };
const IN_BLOCK: ExtentFields = { from: 0, count: 21, more: 504 };
const NUMBER = 12;
const REAL_SIZE: Field = [483, 12];
const NEW_LINE = 0x0a;
/** Safe integers have at most this many digits. */
const MAX_DIGITS = 16;

export function isSparse(block: HeaderBlock, pax: PaxRecords): boolean {
  return block.typeFlag === "S" || (pax.size > 0 && [...pax.keys()].some((key) => key.startsWith(SPARSE_PREFIX)));
}

/**
 * Reads the map of a sparse file, in GNU's old format or PAX 0.0, 0.1 or 1.0.
 * @throws {VarveError} `corrupt` if extents are not in order, overlap, exceed the file, or are not what is stored;
 * `limit-exceeded` for a map larger than `maxMap`; `unsupported` for star's format and unknown PAX versions
 */
export async function readSparse(input: TarSource, entry: SparseEntry): Promise<SparseLayout> {
  const { block, pax, stored } = entry;
  switch (formatOf(entry)) {
    case "old": {
      const extents = await oldMap(input, entry);
      return checked(input.what, { extents, size: parseNumeric(block.bytes, REAL_SIZE) ?? -1, stored });
    }
    case "pax 0":
      return checked(input.what, { extents: paxMap(input.what, pax), size: realSize(pax), stored });
    case "pax 1.0": {
      const map = new MapInContent(input, entry);
      const extents = await map.read();
      return checked(input.what, { extents, size: realSize(pax), stored: stored - map.size });
    }
  }
}

function formatOf({ block, pax }: SparseEntry): "old" | "pax 0" | "pax 1.0" {
  if (block.typeFlag === "S") {
    if (block.isGnu) return "old";
    throw new VarveError(
      "unsupported",
      `Cannot read ${block.what}: it has a sparse file in a format that is not GNU's`,
    );
  }
  const version = `${pax.get("GNU.sparse.major") ?? ""}.${pax.get("GNU.sparse.minor") ?? ""}`;
  if (version === "1.0") return "pax 1.0";
  if (version === "." || version === "0.0" || version === "0.1") return "pax 0";
  throw new VarveError("unsupported", `Cannot read ${block.what}: it has a sparse file of an unknown version`);
}

function checked(what: string, layout: SparseLayout): SparseLayout {
  let end = 0;
  let stored = 0;
  for (const { offset, length } of layout.extents) {
    if (offset < end || offset + length > layout.size) throw badMap(what);
    end = offset + length;
    stored += length;
  }
  if (layout.size < 0 || stored !== layout.stored) throw badMap(what);
  return layout;
}

function badMap(what: string): VarveError {
  return corruptArchive(what, "the map of a sparse file is wrong");
}

function tooLarge(what: string): VarveError {
  const state = `the map of a sparse file is larger than ${Limits.tarHeader} bytes`;
  return new VarveError("limit-exceeded", `Cannot read ${what}: ${state}`);
}

/** Reads extents from the header and from the blocks right after it, which the size field does not include. */
async function oldMap(input: TarSource, { block, maxMap }: SparseEntry): Promise<Extent[]> {
  const extents: Extent[] = [];
  let [bytes, fields, left] = [block.bytes, IN_HEADER, maxMap];
  for (;;) {
    extents.push(...extentsOf(input.what, bytes, fields));
    if (bytes[fields.more] === 0) return extents;
    left -= BLOCK;
    if (left < 0) throw tooLarge(input.what);
    const next = await input.read(BLOCK);
    if (next === undefined) throw input.truncated();
    [bytes, fields] = [next, IN_BLOCK];
  }
}

function extentsOf(what: string, bytes: Buffer, { from, count }: ExtentFields): Extent[] {
  const extents: Extent[] = [];
  for (let at = from; at < from + count * 2 * NUMBER; at += 2 * NUMBER) {
    if (bytes[at] === 0) break;
    const offset = parseNumeric(bytes, [at, NUMBER]);
    const length = parseNumeric(bytes, [at + NUMBER, NUMBER]);
    extents.push(extent(what, offset, length));
  }
  return extents;
}

function extent(what: string, offset: number | undefined, length: number | undefined): Extent {
  if (offset === undefined || length === undefined || offset < 0 || length < 0) throw badMap(what);
  return { offset, length };
}

/** Parses `offset,length,offset,length…`, the format of version 0.1. `parsePax` converts version 0.0 to it. */
function paxMap(what: string, pax: PaxRecords): Extent[] {
  const map = pax.get("GNU.sparse.map") ?? "";
  const numbers = map === "" ? [] : map.split(",").map(parseDecimal);
  const count = pax.get("GNU.sparse.numblocks");
  if (count === undefined || parseDecimal(count) !== numbers.length / 2) throw badMap(what);
  const extents: Extent[] = [];
  for (let at = 0; at < numbers.length; at += 2) extents.push(extent(what, numbers[at], numbers[at + 1]));
  return extents;
}

function realSize(pax: PaxRecords): number {
  return parseDecimal(pax.get("GNU.sparse.realsize") ?? pax.get("GNU.sparse.size") ?? "") ?? -1;
}

/**
 * The map of PAX 1.0. It comes before the content: a count, then offsets and lengths, one number per line, padded to whole
 * blocks.
 */
class MapInContent {
  readonly #input: TarSource;
  readonly #entry: SparseEntry;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Number of bytes of the map that were read, in whole blocks. */
  size = 0;

  constructor(input: TarSource, entry: SparseEntry) {
    this.#input = input;
    this.#entry = entry;
  }

  async read(): Promise<Extent[]> {
    const count = await this.#number();
    const extents: Extent[] = [];
    while (extents.length < count) {
      extents.push({ offset: await this.#number(), length: await this.#number() });
    }
    return extents;
  }

  async #number(): Promise<number> {
    let text = "";
    for (;;) {
      if (this.#at === this.#block.length) await this.#next();
      const byte = this.#block[this.#at] ?? 0;
      this.#at += 1;
      if (byte === NEW_LINE) break;
      text += String.fromCharCode(byte);
      if (text.length > MAX_DIGITS) throw badMap(this.#input.what);
    }
    const value = parseDecimal(text);
    if (value === undefined) throw badMap(this.#input.what);
    return value;
  }

  async #next(): Promise<void> {
    this.size += BLOCK;
    if (this.size > this.#entry.stored) throw badMap(this.#input.what);
    if (this.size > this.#entry.maxMap) throw tooLarge(this.#input.what);
    const block = await this.#input.read(BLOCK);
    if (block === undefined) throw this.#input.truncated();
    [this.#block, this.#at] = [block, 0];
  }
}

/** Returns up to `length` bytes of a file at an offset. */
export type ReadAt = (offset: number, length: number) => Buffer;

/** Where a part of a file is, in bytes. */
export interface Extent {
  readonly offset: number;
  readonly size: number;
}

const ELF = Buffer.from("\u007fELF", "latin1");
const HEADER = 64;
const MAX_SECTIONS = 4096;
const MAX_NAMES = 1024 * 1024;

/** Where fields are, in bytes, in files of 32 and of 64 bits. */
const LAYOUTS = {
  1: { word: 4, sections: 0x20, entrySize: 0x2e, count: 0x30, names: 0x32, offset: 0x10, size: 0x14 },
  2: { word: 8, sections: 0x28, entrySize: 0x3a, count: 0x3c, names: 0x3e, offset: 0x18, size: 0x20 },
} as const;

/** Returns where a section of a program is. Undefined if the file is no ELF file or has no such section. */
export function sectionOf(read: ReadAt, name: string): Extent | undefined {
  const header = read(0, HEADER);
  if (header.length < HEADER || !header.subarray(0, ELF.length).equals(ELF)) return undefined;
  const layout = header[4] === 1 ? LAYOUTS[1] : LAYOUTS[2];
  const isLittle = header[5] === 1;
  const half = (from: Buffer, at: number): number => (isLittle ? from.readUInt16LE(at) : from.readUInt16BE(at));
  const word = (from: Buffer, at: number): number => {
    if (layout.word === 4) return isLittle ? from.readUInt32LE(at) : from.readUInt32BE(at);
    return Number(isLittle ? from.readBigUInt64LE(at) : from.readBigUInt64BE(at));
  };
  const [entrySize, count] = [half(header, layout.entrySize), half(header, layout.count)];
  if (entrySize < layout.size + layout.word || count > MAX_SECTIONS) return undefined;
  const table = read(word(header, layout.sections), entrySize * count);
  const extentAt = (index: number): Extent | undefined => {
    const start = index * entrySize;
    if (start + entrySize > table.length) return undefined;
    return { offset: word(table, start + layout.offset), size: word(table, start + layout.size) };
  };
  const named = extentAt(half(header, layout.names));
  if (named === undefined || named.size > MAX_NAMES) return undefined;
  const names = read(named.offset, named.size);
  const wanted = Buffer.from(`${name}\0`);
  for (let index = 0; index < count && (index + 1) * entrySize <= table.length; index += 1) {
    const at = index * entrySize;
    const start = isLittle ? table.readUInt32LE(at) : table.readUInt32BE(at);
    if (names.subarray(start, start + wanted.length).equals(wanted)) return extentAt(index);
  }
  return undefined;
}

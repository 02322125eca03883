/** Archives put together by hand, right or wrong, for tests of whoever reads them. */

export interface RawHeader {
  readonly name?: string;
  readonly typeFlag?: string;
  /** Field contents by offset, written over everything else (latin1). */
  readonly patch?: Readonly<Record<number, string>>;
  /** The size field as it stands; the length of `data` if left out. */
  readonly size?: string;
  readonly linkName?: string;
  readonly mode?: string;
  /** "ustar\0" + "00" if left out. */
  readonly magic?: string;
  readonly data?: string | Uint8Array;
  /** Left as it is, for a header that shall be refused. */
  readonly checksum?: string;
}

/** One header block and its data, padded. */
export function rawEntry(header: RawHeader): Buffer {
  const block = Buffer.alloc(512);
  const data = typeof header.data === "string" ? Buffer.from(header.data, "latin1") : Buffer.from(header.data ?? []);
  const put = (offset: number, text: string): void => {
    block.write(text, offset, "latin1");
  };
  put(0, header.name ?? "file");
  put(100, header.mode ?? "0000644\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  put(124, header.size ?? `${data.length.toString(8).padStart(11, "0")}\0`);
  put(136, "00000000000\0");
  put(156, header.typeFlag ?? "0");
  put(157, header.linkName ?? "");
  put(257, header.magic ?? "ustar\x0000");
  for (const [offset, text] of Object.entries(header.patch ?? {})) put(Number(offset), text);
  put(148, "        ");
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, header.checksum ?? `${sum.toString(8).padStart(6, "0")}\0 `);
  return Buffer.concat([block, data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}

/** A PAX record with its length. */
export function paxRecord(key: string, value: string): string {
  const bare = key.length + value.length + 3;
  let size = bare + String(bare).length;
  size = bare + String(size).length;
  return `${size} ${key}=${value}\n`;
}

/** An extended header with these records. */
export function rawPax(records: Readonly<Record<string, string>>, typeFlag = "x"): Buffer {
  const data = Object.entries(records)
    .map(([key, value]) => paxRecord(key, value))
    .join("");
  return rawEntry({ name: "PaxHeaders.0/x", typeFlag, data });
}

/** The blocks of an archive with its end marker. */
export function rawArchive(...entries: readonly Uint8Array[]): Buffer {
  return Buffer.concat([...entries, Buffer.alloc(1024)]);
}

/** Where what is stored of a sparse file lies in it: pairs of offset and length, as numbers or as a field stands. */
export type RawMap = readonly (readonly [offset: number | string, length: number | string])[];

function extentField(value: number | string): string {
  return typeof value === "string" ? value : `${value.toString(8).padStart(11, "0")}\0`;
}

function extentFields(map: RawMap, fixture: number, more: boolean): string {
  const fields = map.map(([offset, length]) => extentField(offset) + extentField(length)).join("");
  return `${fields.padEnd(fixture * 24, "\0")}${more ? "\x01" : "\0"}`;
}

/** A sparse file in GNU's old format: four extents in the header, 21 in each block that follows. */
export function rawOldSparse(map: RawMap, size: number | string, header: RawHeader = {}): Buffer {
  const fields = extentFields(map.slice(0, 4), 4, map.length > 4) + extentField(size);
  const patch = { ...header.patch, 386: fields };
  const entry = rawEntry({ typeFlag: "S", magic: "ustar  \0", ...header, patch });
  const blocks = [];
  for (let at = 4; at < map.length; at += 21) {
    const block = Buffer.alloc(512);
    block.write(extentFields(map.slice(at, at + 21), 21, at + 21 < map.length), "latin1");
    blocks.push(block);
  }
  return Buffer.concat([entry.subarray(0, 512), ...blocks, entry.subarray(512)]);
}

/** A sparse file of PAX 1.0, its map before its data. */
export function rawSparse(map: RawMap, size: number | string, data = "", name = "file"): Buffer {
  const text = `${[map.length, ...map.flat()].join("\n")}\n`;
  const records = {
    "GNU.sparse.major": "1",
    "GNU.sparse.minor": "0",
    "GNU.sparse.name": name,
    "GNU.sparse.realsize": String(size),
  };
  const padded = text.padEnd(Math.ceil(text.length / 512) * 512, "\0");
  return Buffer.concat([rawPax(records), rawEntry({ name: "GNUSparseFile.0/x", data: padded + data })]);
}

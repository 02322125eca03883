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

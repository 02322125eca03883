import type { ByteString } from "../../linux/index.ts";

/** The records of one extended header, as byte strings. If a key occurs twice, the last record counts. */
export type PaxRecords = ReadonlyMap<ByteString, ByteString>;

const LENGTH = /^[1-9][0-9]{0,7}$/;
/** The shortest record: "5 a=\n". */
const SHORTEST = 5;
const STRINGS = new Set(["path", "linkpath", "uname", "gname", "GNU.sparse.name"]);

/** Prefix of the records that describe a sparse file. */
export const SPARSE_PREFIX = "GNU.sparse.";
const SPARSE_MAP = "GNU.sparse.map";
/** Version 0.0 has these two records for each extent, in this order. */
const SPARSE_PAIR = ["GNU.sparse.offset", "GNU.sparse.numbytes"];

/**
 * Parses records of the form `<length> <key>=<value>\n`. Returns undefined for malformed data. The extents of a sparse file in
 * version 0.0 are returned as in version 0.1, as one `GNU.sparse.map` record with numbers separated by commas.
 */
export function parsePax(data: Buffer): PaxRecords | undefined {
  const records = new Map<ByteString, ByteString>();
  const map: ByteString[] = [];
  for (let at = 0; at < data.length;) {
    const space = data.indexOf(0x20, at);
    if (space < 0 || space - at > 8) return undefined;
    const text = data.toString("latin1", at, space);
    const end = LENGTH.test(text) ? at + Number(text) : 0;
    if (end - at < SHORTEST || end > data.length || end <= space + 1 || data[end - 1] !== 0x0a) return undefined;
    const record = data.toString("latin1", space + 1, end - 1);
    const equals = record.indexOf("=");
    if (equals < 1) return undefined;
    const [key, value] = [record.slice(0, equals), record.slice(equals + 1)];
    if (key.includes("\0") || (STRINGS.has(key) && value.includes("\0"))) return undefined;
    if (SPARSE_PAIR.includes(key)) {
      if (key !== SPARSE_PAIR[map.length % 2] || value.includes(",")) return undefined;
      map.push(value);
    } else records.set(key, value);
    at = end;
  }
  if (map.length > 0) records.set(SPARSE_MAP, map.join(","));
  return records;
}

/** Encodes records, sorted by the bytes of their keys. */
export function formatPax(records: PaxRecords): Buffer {
  const keys = [...records.keys()].sort();
  return Buffer.from(keys.map((key) => formatRecord(key, records.get(key) ?? "")).join(""), "latin1");
}

function formatRecord(key: ByteString, value: ByteString): ByteString {
  const bare = key.length + value.length + 3;
  let size = bare + String(bare).length;
  size = bare + String(size).length;
  return `${size} ${key}=${value}\n`;
}

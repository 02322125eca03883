/**
 * Fields of a package's header as rpm keeps it in its database: two counts, entries of 16 bytes, and the data that they point to. All
 * numbers have the highest byte first: docs/manual/format_header.md of rpm.
 */
export interface RpmFields {
  readonly name: string;
  readonly version: string;
  readonly release: string;
  readonly epoch: number | undefined;
  readonly arch: string;
  readonly vendor: string;
  readonly license: string;
  /** The name of the source package's file. */
  readonly source: string;
}

const TAGS = {
  name: 1000,
  version: 1001,
  release: 1002,
  epoch: 1003,
  vendor: 1011,
  license: 1014,
  arch: 1022,
  source: 1044,
} as const;
const TYPES = { int32: 4, string: 6 } as const;
const ENTRY = 16;
const COUNTS = 8;
/** Headers have some hundred entries. */
const MAX_ENTRIES = 100_000;
/** Longer texts are not names or versions. */
const MAX_TEXT = 4096;

/** Returns the fields of a header. What it does not have, or what cannot be read, is empty. */
export function readHeader(bytes: Buffer): RpmFields {
  const found = new Map<number, string | number>();
  const count = bytes.length < COUNTS ? 0 : bytes.readUInt32BE(0);
  const data = COUNTS + count * ENTRY;
  const wanted = new Set<number>(Object.values(TAGS));
  if (count <= MAX_ENTRIES && data <= bytes.length)
    for (let at = COUNTS; at < data; at += ENTRY) {
      const tag = bytes.readUInt32BE(at);
      if (!wanted.has(tag) || found.has(tag)) continue;
      const value = valueAt(bytes, bytes.readUInt32BE(at + 4), data + bytes.readUInt32BE(at + 8));
      if (value !== undefined) found.set(tag, value);
    }
  const text = (tag: number): string => String(found.get(tag) ?? "");
  const epoch = found.get(TAGS.epoch);
  return {
    name: text(TAGS.name),
    version: text(TAGS.version),
    release: text(TAGS.release),
    epoch: typeof epoch === "number" ? epoch : undefined,
    arch: text(TAGS.arch),
    vendor: text(TAGS.vendor),
    license: text(TAGS.license),
    source: text(TAGS.source),
  };
}

function valueAt(bytes: Buffer, type: number, at: number): string | number | undefined {
  if (type === TYPES.int32) return at + 4 <= bytes.length ? bytes.readUInt32BE(at) : undefined;
  if (type !== TYPES.string) return undefined;
  const end = bytes.indexOf(0, at);
  return end < 0 || end - at > MAX_TEXT ? undefined : bytes.toString("utf8", at, end);
}

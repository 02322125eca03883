import { hash } from "node:crypto";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { type Descriptor, VarveError, goJson, parseJson } from "../../core/index.ts";

/**
 * What a writer says of a record besides its key, such as what the key was made of. It is opaque here. An addition of Varve, which
 * BuildKit ignores.
 */
export interface CacheNote {
  readonly text: Uint8Array;
  /** Further bytes. Equal parts of several notes are stored once. */
  readonly parts: readonly Uint8Array[];
}

/** A note of a record of a document. */
export interface RecordNote {
  /** Index of the record. */
  readonly record: number;
  readonly note: CacheNote;
}

/** Maximum bytes of the notes of one document, before compression. */
const MAX_NOTES = 16_777_216;
/** Maximum bytes of notes that are written. The parts of further notes are left out. */
const MAX_WRITTEN = 8_388_608;
/** Maximum size of the blob, in bytes. */
const MAX_NOTES_BLOB = 8_388_608;
/** Maximum number of notes, and of parts, of one document. */
const MAX_COUNT = 100_000;
/** Maximum number of times that notes name parts. */
const MAX_USES = 1_000_000;
/** Bytes of the length of the list in front of the notes. */
const LENGTH_BYTES = 4;
/** The notes can be compressed well and have many digests, which cannot: more effort is of no use. */
const LEVEL = 6;

const digests = new WeakMap<Uint8Array, string>();

function digestOfPart(part: Uint8Array): string {
  const known = digests.get(part);
  if (known !== undefined) return known;
  const digest = hash("sha256", part);
  digests.set(part, digest);
  return digest;
}

/** Returns the one of two notes to keep, whatever their order: the one that says more. */
export function chosenNote(a: CacheNote, b: CacheNote): CacheNote {
  if (a.parts.length !== b.parts.length) return a.parts.length > b.parts.length ? a : b;
  if (a.text.length !== b.text.length) return a.text.length > b.text.length ? a : b;
  return Buffer.compare(a.text, b.text) <= 0 ? a : b;
}

/**
 * Encodes notes as a blob. If there are too many bytes, the first notes are written whole, and others without their parts, or not at
 * all. Equal notes in the same order give equal bytes. Undefined: there are none.
 */
export function encodeNotes(notes: readonly RecordNote[]): Uint8Array | undefined {
  const parts = new Map<string, { readonly index: number; readonly bytes: Uint8Array }>();
  const written: { readonly record: number; readonly text: Uint8Array; readonly parts: readonly number[] }[] = [];
  let left = MAX_WRITTEN;
  let uses = 0;
  for (const { record, note } of notes.slice(0, MAX_COUNT)) {
    if (note.text.length > left) continue;
    left -= note.text.length;
    const added = new Map(note.parts.map((part) => [digestOfPart(part), part] as const));
    const size = [...added].reduce((sum, [digest, { length }]) => sum + (parts.has(digest) ? 0 : length), 0);
    const isWhole = size <= left && uses + note.parts.length <= MAX_USES && parts.size + added.size <= MAX_COUNT;
    uses += isWhole ? note.parts.length : 0;
    left -= isWhole ? size : 0;
    if (isWhole)
      for (const [digest, bytes] of added) if (!parts.has(digest)) parts.set(digest, { index: parts.size, bytes });
    const indices = isWhole ? note.parts.map((part) => parts.get(digestOfPart(part))?.index ?? 0) : [];
    written.push({ record, text: note.text, parts: indices });
  }
  if (written.length === 0) return undefined;
  const sorted = written.sort((a, b) => a.record - b.record);
  const list = Buffer.from(
    goJson({
      notes: sorted.map(({ record, text, parts: indices }) => ({ record, length: text.length, parts: indices })),
      parts: [...parts.values()].map(({ bytes }) => bytes.length),
    }),
  );
  const head = Buffer.alloc(LENGTH_BYTES);
  head.writeUInt32LE(list.length);
  const bodies = [...sorted.map(({ text }) => text), ...[...parts.values()].map(({ bytes }) => bytes)];
  return deflateRawSync(Buffer.concat([head, list, ...bodies]), { level: LEVEL });
}

/**
 * Reads what `encodeNotes` wrote, for a document with this number of records.
 *
 * @throws {VarveError} `corrupt` for anything else, or for too many notes.
 */
export function decodeNotes(blob: Uint8Array, records: number): RecordNote[] {
  const bytes = inflate(blob);
  const listEnd = LENGTH_BYTES + (bytes.length < LENGTH_BYTES ? 0 : bytes.readUInt32LE(0));
  const json = parseJson(bytes.subarray(LENGTH_BYTES, listEnd), "cache notes", { limit: MAX_NOTES }).requiredObject();
  const cut = cutter(bytes, listEnd);
  const list = json.objects("notes", MAX_COUNT).map((note) => ({
    record: note.integer("record") ?? -1,
    text: cut(note.integer("length") ?? 0),
    parts: note.field("parts").list((index) => index.integer() ?? -1, MAX_COUNT) ?? [],
  }));
  const parts = (json.field("parts").list((length) => length.integer() ?? 0, MAX_COUNT) ?? []).map(cut);
  if (list.reduce((sum, note) => sum + note.parts.length, 0) > MAX_USES) throw corrupt("they have too many parts");
  return list.map(({ record, text, parts: indices }) => {
    if (!Number.isSafeInteger(record) || record < 0 || record >= records) throw corrupt(`invalid record ${record}`);
    return { record, note: { text, parts: indices.map((index) => parts[index] ?? missing(index)) } };
  });
}

/** Reads notes of a document with this number of records. None if there are none, or if they cannot be read. */
export async function readNotes(
  descriptor: Descriptor | undefined,
  records: number,
  read: () => Promise<Uint8Array>,
): Promise<readonly RecordNote[]> {
  if (descriptor === undefined || descriptor.size > MAX_NOTES_BLOB) return [];
  try {
    return decodeNotes(await read(), records);
  } catch {
    return [];
  }
}

function inflate(blob: Uint8Array): Buffer {
  try {
    return inflateRawSync(blob, { maxOutputLength: MAX_NOTES });
  } catch (error) {
    throw corrupt("they cannot be decompressed", error);
  }
}

/** Returns a function that takes the next bytes, without copying them. */
function cutter(bytes: Buffer, start: number): (length: number) => Uint8Array {
  let at = start;
  return (length) => {
    if (!Number.isSafeInteger(length) || length < 0 || at + length > bytes.length) throw corrupt("they are cut short");
    at += length;
    return bytes.subarray(at - length, at);
  };
}

function missing(index: number): never {
  throw corrupt(`invalid part ${index}`);
}

function corrupt(state: string, cause?: unknown): VarveError {
  return new VarveError("corrupt", `Cannot read cache notes: ${state}`, { cause });
}

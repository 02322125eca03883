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
  /** What the step has read, if it was traced. Such parts are written if there is space left after the others. */
  readonly trace?: readonly Uint8Array[] | undefined;
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

/** Returns what to keep of two notes, whatever their order: of each half the one that says more. */
export function chosenNote(a: CacheNote, b: CacheNote): CacheNote {
  const facts = chosenFacts(a, b);
  const trace = chosenTrace(a.trace, b.trace);
  return trace === facts.trace ? facts : { ...facts, trace };
}

type Trace = readonly Uint8Array[];

function chosenTrace(a: Trace | undefined, b: Trace | undefined): Trace | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (a.length !== b.length) return a.length > b.length ? a : b;
  return Buffer.compare(Buffer.concat(a), Buffer.concat(b)) <= 0 ? a : b;
}

function chosenFacts(a: CacheNote, b: CacheNote): CacheNote {
  if (a.parts.length !== b.parts.length) return a.parts.length > b.parts.length ? a : b;
  if (a.text.length !== b.text.length) return a.text.length > b.text.length ? a : b;
  return Buffer.compare(a.text, b.text) <= 0 ? a : b;
}

/** The parts of notes that are written, each once, within the limits of a document. */
class WrittenParts {
  readonly #parts = new Map<string, { readonly index: number; readonly bytes: Uint8Array }>();
  #left = MAX_WRITTEN;
  #uses = 0;

  get bytes(): readonly Uint8Array[] {
    return [...this.#parts.values()].map(({ bytes }) => bytes);
  }

  /** Takes space for bytes that are no part. Returns false if there is not enough. */
  reserve({ length }: Uint8Array): boolean {
    if (length > this.#left) return false;
    this.#left -= length;
    return true;
  }

  /** Returns the indices of parts; undefined if there is not enough space for all of them. */
  add(list: readonly Uint8Array[]): number[] | undefined {
    const added = new Map(list.map((part) => [digestOfPart(part), part] as const));
    const size = [...added].reduce((sum, [digest, { length }]) => sum + (this.#parts.has(digest) ? 0 : length), 0);
    if (size > this.#left || this.#uses + list.length > MAX_USES || this.#parts.size + added.size > MAX_COUNT)
      return undefined;
    this.#uses += list.length;
    this.#left -= size;
    for (const [digest, bytes] of added)
      if (!this.#parts.has(digest)) this.#parts.set(digest, { index: this.#parts.size, bytes });
    return list.map((part) => this.#parts.get(digestOfPart(part))?.index ?? 0);
  }
}

/**
 * Encodes notes as a blob. If there are too many bytes, the first notes are written whole, and others without their parts, or not at
 * all. Traces are left out first. Equal notes in the same order give equal bytes. Undefined: there are none.
 */
export function encodeNotes(notes: readonly RecordNote[]): Uint8Array | undefined {
  const parts = new WrittenParts();
  const chosen = notes.slice(0, MAX_COUNT).filter(({ note }) => parts.reserve(note.text));
  const facts = chosen.map(({ note }) => parts.add(note.parts) ?? []);
  const traces = chosen.map(({ note }) => note.trace && parts.add(note.trace));
  if (chosen.length === 0) return undefined;
  const written = chosen.map(({ record, note: { text } }, at) => ({
    record,
    text,
    parts: facts[at],
    trace: traces[at],
  }));
  const sorted = written.sort((a, b) => a.record - b.record);
  const list = Buffer.from(
    goJson({
      notes: sorted.map(({ record, text, parts: indices, trace }) => ({
        record,
        length: text.length,
        parts: indices,
        trace,
      })),
      parts: parts.bytes.map(({ length }) => length),
    }),
  );
  const head = Buffer.alloc(LENGTH_BYTES);
  head.writeUInt32LE(list.length);
  const bodies = [...sorted.map(({ text }) => text), ...parts.bytes];
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
    trace: note.field("trace").list((index) => index.integer() ?? -1, MAX_COUNT),
  }));
  const parts = (json.field("parts").list((length) => length.integer() ?? 0, MAX_COUNT) ?? []).map(cut);
  const uses = list.reduce((sum, note) => sum + note.parts.length + (note.trace?.length ?? 0), 0);
  if (uses > MAX_USES) throw corrupt("they have too many parts");
  const partsAt = (indices: readonly number[]): Uint8Array[] => indices.map((index) => parts[index] ?? missing(index));
  return list.map(({ record, text, parts: indices, trace }) => {
    if (!Number.isSafeInteger(record) || record < 0 || record >= records) throw corrupt(`invalid record ${record}`);
    return { record, note: { text, parts: partsAt(indices), ...(trace && { trace: partsAt(trace) }) } };
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

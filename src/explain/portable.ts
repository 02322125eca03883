import { hash } from "node:crypto";
import { VarveError, parseJson } from "../core/index.ts";
import { recordDigest } from "../solver/index.ts";
import { type StoredFacts, type StoredInput, factsJson, readFacts } from "./facts-codec.ts";
import { countFiles } from "./files/codec.ts";
import { type FileChunk, type FileList, MAX_LISTED, chunkOf } from "./files/list.ts";
import type { Part } from "./facts.ts";
import { HIDDEN, isSealed } from "./sealer.ts";

/** What is known of a step, as it is exported with a cache: facts as JSON, and the chunks of its lists of files. */
export interface StepNote {
  readonly text: Uint8Array;
  readonly parts: readonly Uint8Array[];
}

/** What `encodeNote` needs to know of the store. */
export interface NoteSource {
  /** Returns the name of a result by its id in the cache; see `resultName`. Undefined if it has none yet. */
  readonly nameOf: (result: string) => string | undefined;
  readonly listOf: (id: string) => FileList | undefined;
}

/** What was read from a note. Results have names in the place of ids. */
export interface DecodedNote {
  readonly facts: StoredFacts;
  readonly lists: ReadonlyMap<string, FileList>;
}

/** Maximum bytes of the facts of one step. */
const MAX_FACTS = 1_048_576;
/** Maximum number of named values, and of inputs, of one step. */
const MAX_ITEMS = 4_096;
/** Maximum number of outputs of an op that are considered. */
const MAX_OUTPUTS = 16;

/**
 * Encodes what is known of a step for other machines. Sealed values are left out, and so are lists of files whose content may have such
 * a value. Equal facts and lists give equal bytes.
 */
export function encodeNote(facts: StoredFacts, { nameOf, listOf }: NoteSource): StepNote {
  const parts: Uint8Array[] = [];
  const hasSecrets = facts.parts.some(({ value }) => isSealed(value));
  const inputs = facts.inputs.map((input): StoredInput => {
    const isExpanded = hasSecrets && input.name.endsWith("preparing inline document");
    const list = input.list === undefined || isExpanded ? undefined : listOf(input.list);
    const from = parts.length;
    for (const { bytes } of list?.chunks ?? []) parts.push(bytes);
    return {
      ...input,
      list: list === undefined ? undefined : `${from} ${parts.length}`,
      result: input.result === undefined ? undefined : nameOf(input.result),
    };
  });
  return { text: Buffer.from(factsJson({ ...facts, parts: facts.parts.map(withoutValue), inputs })), parts };
}

function withoutValue(part: Part): Part {
  return isSealed(part.value) ? { ...part, value: HIDDEN } : part;
}

/**
 * Reads what `encodeNote` wrote, as a note of a record with this digest. Lists whose chunks are missing are left out.
 *
 * @throws {VarveError} `corrupt` for anything else, or for facts of another record.
 */
export function decodeNote({ text, parts }: StepNote, record: string): DecodedNote {
  if (text.length > MAX_FACTS) throw corrupt("they are too long");
  const facts = readFacts(parseJson(text, "the facts of a step").requiredObject());
  if (facts.parts.length > MAX_ITEMS || facts.inputs.length > MAX_ITEMS) throw corrupt("they are too many");
  if (!isOfRecord(facts, record)) throw corrupt("they are those of another step");
  const lists = new Map<string, FileList>();
  const inputs = facts.inputs.map((input): StoredInput => {
    const [from = -1, to = -1] = (input.list ?? "").split(" ").map(Number);
    const list = from >= 0 && to <= parts.length ? listOf(parts.slice(from, to)) : undefined;
    if (list === undefined) return { ...input, list: undefined };
    const id = `imported ${hash("sha256", list.chunks.map((chunk) => chunk.id).join(" ")).slice(0, 32)}`;
    lists.set(id, list);
    return { ...input, list: id };
  });
  return { facts: { ...facts, inputs }, lists };
}

function isOfRecord({ op }: StoredFacts, record: string): boolean {
  for (let output = 0; output < MAX_OUTPUTS; output += 1) if (recordDigest(op, output) === record) return true;
  return false;
}

const chunks = new WeakMap<Uint8Array, FileChunk>();

/** Returns a list that consists of chunks; undefined if it has too many entries. */
function listOf(parts: readonly Uint8Array[]): FileList | undefined {
  const list = parts.map((bytes) => {
    const known = chunks.get(bytes) ?? chunkOf(bytes);
    chunks.set(bytes, known);
    return known;
  });
  const entries = list.reduce((sum, { bytes }) => sum + countFiles(bytes), 0);
  return entries <= MAX_LISTED ? { chunks: list } : undefined;
}

function corrupt(state: string): VarveError {
  return new VarveError("corrupt", `Cannot read the facts of a step: ${state}`);
}

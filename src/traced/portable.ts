import { type Digest, type JsonObject, Limits, VarveError, isVarveError, parseJson } from "../core/index.ts";
import { recordDigest } from "../solver/index.ts";
import { type Accesses, decodeAccesses, encodeAccesses } from "./accesses.ts";
import { decodeLayer, encodeLayer } from "./layer-codec.ts";
import type { LayerEntry } from "./layer-entry.ts";

/** A layer, as other machines know it. */
export interface PortableLayer {
  readonly diffId: Digest;
  /** Undefined if they are not known, as those of a base image. */
  readonly entries: readonly LayerEntry[] | undefined;
}

/** A traced run, as it is exported with a cache. */
export interface PortableRun {
  /** The cache digest of the op. */
  readonly op: Digest;
  /** See `TracedStep`. */
  readonly others: string;
  /** The layers of the result, lowest first. The last one is what the step made; its entries are known. */
  readonly layers: readonly PortableLayer[];
  readonly accesses: Accesses;
}

/** A run that was read. What is large is decoded when it is asked for, and is undefined if it is malformed. */
export interface DecodedRun {
  readonly op: Digest;
  readonly others: string;
  readonly layers: readonly { readonly diffId: Digest; readonly entries: () => readonly LayerEntry[] | undefined }[];
  readonly accesses: () => Accesses | undefined;
}

/** Maximum bytes of what comes before the lists. */
const MAX_HEAD = 262_144;

/** The output of an op that is the root of a traced step. */
const ROOT_OUTPUT = 0;

/** Encodes a run as parts. Equal layers of several runs are equal parts. */
export function encodeRun({ op, others, layers, accesses }: PortableRun): Uint8Array[] {
  const lists: Uint8Array[] = [];
  const listed = layers.map(({ diffId, entries }) => ({
    diffId,
    ...(entries === undefined ? {} : { list: lists.push(encodeLayer(entries)) - 1 }),
  }));
  return [Buffer.from(JSON.stringify({ op, others, layers: listed })), encodeAccesses(accesses), ...lists];
}

/** Returns the run that the note of a record tells of. Undefined if it cannot be read, or is a run of another op. */
export function decodeRun(parts: readonly Uint8Array[], record: string): DecodedRun | undefined {
  const run = readable(() => readRun(parts));
  return run !== undefined && rootRecord(run.op) === record ? run : undefined;
}

/** Returns the digest of the records of an op's root in cache documents. */
export function rootRecord(op: Digest): string {
  return recordDigest(op, ROOT_OUTPUT);
}

/** Returns whether a run has made a result with these layers. */
export function hasMade({ layers: made }: DecodedRun, layers: readonly { readonly diffId: Digest }[]): boolean {
  return made.length === layers.length && made.every(({ diffId }, at) => diffId === layers[at]?.diffId);
}

function readRun([head, accesses, ...lists]: readonly Uint8Array[]): DecodedRun {
  if (head === undefined || accesses === undefined || head.length > MAX_HEAD) throw malformed();
  const json = parseJson(head, "a traced run").requiredObject();
  const layers = json.objects("layers", Limits.layers).map((layer) => {
    const bytes = lists[layer.integer("list") ?? -1];
    return { diffId: digestIn(layer, "diffId"), entries: later(bytes, decodeLayer) };
  });
  const op = digestIn(json, "op");
  return { op, others: json.string("others") ?? "", layers, accesses: later(accesses, decodeAccesses) };
}

function digestIn(json: JsonObject, key: string): Digest {
  const digest = json.digest(key);
  if (digest === undefined) throw malformed();
  return digest;
}

function later<T>(bytes: Uint8Array | undefined, decode: (bytes: Uint8Array) => T): () => T | undefined {
  let known: { readonly value: T | undefined } | undefined;
  return () => (known ??= { value: bytes && readable(() => decode(bytes)) }).value;
}

/** Returns undefined for what is damaged. */
export function readable<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (isVarveError(error, "corrupt")) return undefined;
    throw error;
  }
}

function malformed(): VarveError {
  return new VarveError("corrupt", "Cannot read a traced run: it is malformed");
}

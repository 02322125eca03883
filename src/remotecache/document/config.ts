import {
  GO_ZERO_TIME,
  type JsonNode,
  type JsonObject,
  type JsonOptions,
  type OrderedJson,
  formatGoTime,
  goJson,
  parseJson,
} from "../../core/index.ts";
import { type LayerAnnotations, layerAnnotationsJson, parseLayerAnnotations } from "./annotated.ts";
import { parseNames } from "./names.ts";
import { type NotesBlob, parseNotesBlob } from "./notes-blob.ts";
import { type ReleasedBlob, parseReleased, releasedJson } from "./released.ts";
import { type ConfigScope, parseScopes, scopesJson } from "./scopes.ts";
import { type ConfigSignature, parseSignature, signatureJson } from "./signature.ts";
import { type Time, readTime } from "./time.ts";

/** Maximum size of a cache config, in bytes. BuildKit reads at most 1 MiB, but other writers may write more. */
export const MAX_CONFIG = 67_108_864;

/** Documents are read as BuildKit reads them, by Go. */
const GO: JsonOptions = { fieldNames: "any-case" };

/** A layer in a cache config. */
export interface ConfigLayer {
  /** Digest of the blob. It is not validated. */
  readonly blob: string;
  /** Index of the layer below; -1 for none. */
  readonly parent: number;
  /** Only in documents of object stores. */
  readonly annotations?: LayerAnnotations | undefined;
}

/** A result whose layers are a layer of the config and all layers below it. */
export interface ConfigResult {
  /** Index of the topmost layer. */
  readonly layer: number;
  readonly createdAt: Time;
}

/** A result whose layers are listed one by one. */
export interface ConfigChain {
  /** Indices of the layers, lowest first. Their parents are ignored. */
  readonly layers: readonly number[];
  readonly createdAt: Time;
}

/** A link from the record of an input. */
export interface ConfigLink {
  readonly selector: string;
  /** Index of a record. */
  readonly link: number;
}

/** A record in a cache config: a key and its results. */
export interface ConfigRecord {
  readonly results: readonly ConfigResult[];
  readonly chains: readonly ConfigChain[];
  readonly digest: string;
  /** The alternatives of each input. */
  readonly inputs: readonly (readonly ConfigLink[])[];
}

/** A cache config (`application/vnd.buildkit.cacheconfig.v0`). Indices are valid within one document only. */
export interface CacheConfig {
  readonly layers: readonly ConfigLayer[];
  readonly records: readonly ConfigRecord[];
  /** The exports that wrote the document, newest first. An addition of Varve, which BuildKit ignores. */
  readonly scopes: readonly ConfigScope[];
  /** Names of steps by record index; empty or missing for none. An addition of Varve, which BuildKit ignores. */
  readonly names: readonly string[];
  /** The blob with the notes of the records, if no manifest lists it, as in object stores. An addition of Varve, which BuildKit ignores. */
  readonly notes?: NotesBlob | undefined;
  /** What earlier documents have needed. An addition of Varve, which BuildKit ignores. */
  readonly released?: readonly ReleasedBlob[] | undefined;
  /** An addition of Varve, which BuildKit ignores. */
  readonly signature?: ConfigSignature | undefined;
}

function createdAt(fields: JsonObject): Time {
  const time = fields.field("createdAt");
  return time.isAbsent ? GO_ZERO_TIME : readTime(time);
}

/** The items of a list; none if it is absent. */
function list<T>(fields: JsonObject, key: string, read: (item: JsonNode) => T): readonly T[] {
  return fields.field(key).list(read) ?? [];
}

function parseLayer(item: JsonNode): ConfigLayer {
  const fields = item.objectOrEmpty();
  const annotations = parseLayerAnnotations(fields.field("annotations"));
  return {
    blob: fields.string("blob") ?? "",
    parent: fields.integer("parent") ?? 0,
    ...(annotations && { annotations }),
  };
}

function parseResult(item: JsonNode): ConfigResult {
  const fields = item.objectOrEmpty();
  return { layer: fields.integer("layer") ?? 0, createdAt: createdAt(fields) };
}

function parseChain(item: JsonNode): ConfigChain {
  const fields = item.objectOrEmpty();
  return { layers: list(fields, "layers", (layer) => layer.integer() ?? 0), createdAt: createdAt(fields) };
}

function parseLink(item: JsonNode): ConfigLink {
  const fields = item.objectOrEmpty();
  return { selector: fields.string("selector") ?? "", link: fields.integer("link") ?? 0 };
}

function parseRecord(item: JsonNode): ConfigRecord {
  const fields = item.objectOrEmpty();
  return {
    results: list(fields, "layers", parseResult),
    chains: list(fields, "chains", parseChain),
    digest: fields.string("digest") ?? "",
    inputs: list(fields, "inputs", (input) => input.list(parseLink) ?? []),
  };
}

/** Reads a list of records without a document around it, as image configs contain it. */
export function parseRecords(bytes: Uint8Array): readonly ConfigRecord[] {
  return parseJson(bytes, "inline cache", GO).list(parseRecord) ?? [];
}

/**
 * Reads a cache config as leniently as BuildKit does. `graphOf` checks its content later.
 *
 * @throws {VarveError} `corrupt` for bytes that are not a cache config; `limit-exceeded` for more than `MAX_CONFIG` bytes.
 */
export function parseCacheConfig(bytes: Uint8Array): CacheConfig {
  const fields = parseJson(bytes, "cache config", { ...GO, limit: MAX_CONFIG }).objectOrEmpty();
  const records = list(fields, "records", parseRecord);
  const varve = fields.field("varve");
  const notes = parseNotesBlob(varve);
  const released = parseReleased(varve);
  const signature = parseSignature(varve);
  return {
    layers: list(fields, "layers", parseLayer),
    records,
    scopes: parseScopes(varve, records.length),
    names: parseNames(varve, records.length),
    ...(notes && { notes }),
    ...(released.length > 0 && { released }),
    ...(signature && { signature }),
  };
}

/** Returns undefined for an empty list, as Go's `omitempty` does. */
function orAbsent<T>(items: readonly T[]): readonly T[] | undefined {
  return items.length === 0 ? undefined : items;
}

function recordJson({ results, chains, digest, inputs }: ConfigRecord): OrderedJson {
  return {
    layers: orAbsent(results.map(({ layer, createdAt: at }) => ({ layer, createdAt: formatGoTime(at) }))),
    chains: orAbsent(chains.map(({ layers, createdAt: at }) => ({ layers, createdAt: formatGoTime(at) }))),
    digest: digest === "" ? undefined : digest,
    inputs: orAbsent(
      inputs.map((links) =>
        links.map(({ selector, link }) => ({ selector: selector === "" ? undefined : selector, link })),
      ),
    ),
  };
}

/** Writes a list of records without a document around it. */
export function encodeRecords(records: readonly ConfigRecord[]): Uint8Array {
  return Buffer.from(goJson(records.map(recordJson)));
}

/** Writes a cache config byte for byte as BuildKit does. A parent 0 is omitted, as Go omits zeros. */
export function encodeCacheConfig(config: CacheConfig): Uint8Array {
  const { layers, records } = config;
  const document = {
    layers: orAbsent(
      layers.map(({ blob, parent, annotations }) => ({
        blob: blob === "" ? undefined : blob,
        parent: parent === 0 ? undefined : parent,
        annotations: annotations && layerAnnotationsJson(annotations),
      })),
    ),
    records: orAbsent(records.map(recordJson)),
    varve: varveJson(config),
  };
  return Buffer.from(goJson(document));
}

function varveJson({ scopes, names, notes, released = [], signature }: CacheConfig): OrderedJson | undefined {
  const isEmpty =
    scopes.length + names.length + released.length === 0 && notes === undefined && signature === undefined;
  if (isEmpty) return undefined;
  return {
    scopes: scopesJson(scopes),
    names: orAbsent(names),
    notes: notes && { ...notes },
    released: released.length === 0 ? undefined : releasedJson(released),
    signature: signature && signatureJson(signature),
  };
}

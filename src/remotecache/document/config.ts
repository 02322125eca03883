import { GO_ZERO_TIME, type OrderedJson, VarveError, formatGoTime, goJson } from "../../core/index.ts";
import { GoFields, integer, list, parseGoJson } from "./go-fields.ts";
import { parseNames } from "./names.ts";
import { type ConfigScope, parseScopes, scopesJson } from "./scopes.ts";
import { type Time, readTime } from "./time.ts";

/** BuildKit itself reads no more than 1 MiB; larger documents of others are still read. Bytes. */
export const MAX_CONFIG = 67_108_864;

export interface ConfigLayer {
  /** Digest of the blob; not checked to be one. */
  readonly blob: string;
  /** Index of the layer below; -1: none. */
  readonly parent: number;
}

export interface ConfigResult {
  /** Index of the topmost layer. */
  readonly layer: number;
  readonly createdAt: Time;
}

export interface ConfigChain {
  /** Indices, lowest first; parents do not count. */
  readonly layers: readonly number[];
  readonly createdAt: Time;
}

export interface ConfigLink {
  readonly selector: string;
  /** Index of a record. */
  readonly link: number;
}

export interface ConfigRecord {
  readonly results: readonly ConfigResult[];
  readonly chains: readonly ConfigChain[];
  readonly digest: string;
  /** For each input its alternatives. */
  readonly inputs: readonly (readonly ConfigLink[])[];
}

/** A cache config: `application/vnd.buildkit.cacheconfig.v0`. Indices mean something inside one document only. */
export interface CacheConfig {
  readonly layers: readonly ConfigLayer[];
  readonly records: readonly ConfigRecord[];
  /** Whose records these are: Varve's addition, which BuildKit passes over. Newest first. */
  readonly scopes: readonly ConfigScope[];
  /** What people call the steps, by the indices of their records; empty, or past the end: no name. Varve's addition too. */
  readonly names: readonly string[];
}

function createdAt(fields: GoFields): Time {
  const value = fields.raw("createdAt");
  if (value === undefined) return GO_ZERO_TIME;
  if (typeof value === "string") return readTime(value);
  throw new VarveError("corrupt", "Cannot read cache config: field createdAt is not a time");
}

function parseLayer(value: unknown): ConfigLayer {
  const fields = new GoFields(value, "a layer");
  return { blob: fields.string("blob"), parent: fields.integer("parent") };
}

function parseResult(value: unknown): ConfigResult {
  const fields = new GoFields(value, "a result");
  return { layer: fields.integer("layer"), createdAt: createdAt(fields) };
}

function parseChain(value: unknown): ConfigChain {
  const fields = new GoFields(value, "a chain");
  const layers = fields.list("layers", (item) => integer(item, "a layer of a chain"));
  return { layers, createdAt: createdAt(fields) };
}

function parseLink(value: unknown): ConfigLink {
  const fields = new GoFields(value, "a link");
  return { selector: fields.string("selector"), link: fields.integer("link") };
}

function parseRecord(value: unknown): ConfigRecord {
  const fields = new GoFields(value, "a record");
  return {
    results: fields.list("layers", parseResult),
    chains: fields.list("chains", parseChain),
    digest: fields.string("digest"),
    inputs: fields.list("inputs", (input) => list(input, "an input", parseLink)),
  };
}

/** Records as they stand by themselves, in an image config. */
export function parseRecords(bytes: Uint8Array): readonly ConfigRecord[] {
  return list(parseGoJson(bytes, "inline cache"), "the inline cache", parseRecord);
}

/**
 * Reads a cache config as leniently as BuildKit does: what it says is not checked before `graphOf`. Throws `corrupt` for
 * what is no such document, `limit-exceeded` for more than `MAX_CONFIG` bytes.
 */
export function parseCacheConfig(bytes: Uint8Array): CacheConfig {
  if (bytes.byteLength > MAX_CONFIG)
    throw new VarveError("limit-exceeded", `Cannot read cache config: it is larger than ${MAX_CONFIG} bytes`);
  const fields = new GoFields(parseGoJson(bytes, "cache config"), "the document");
  const records = fields.list("records", parseRecord);
  const own = fields.raw("varve");
  const scopes = parseScopes(own, records.length);
  return { layers: fields.list("layers", parseLayer), records, scopes, names: parseNames(own, records.length) };
}

/** Go's `omitempty` of a list. */
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

export function encodeRecords(records: readonly ConfigRecord[]): Uint8Array {
  return Buffer.from(goJson(records.map(recordJson)));
}

/** The document as BuildKit writes it, byte for byte. A parent 0 is left out, as Go leaves out a zero. */
export function encodeCacheConfig({ layers, records, scopes, names }: CacheConfig): Uint8Array {
  const document = {
    layers: orAbsent(
      layers.map(({ blob, parent }) => ({
        blob: blob === "" ? undefined : blob,
        parent: parent === 0 ? undefined : parent,
      })),
    ),
    records: orAbsent(records.map(recordJson)),
    varve:
      scopes.length === 0 && names.length === 0 ? undefined : { scopes: scopesJson(scopes), names: orAbsent(names) },
  };
  return Buffer.from(goJson(document));
}

import { type Descriptor, type Digest, MediaType, digestOf } from "../../core/index.ts";
import { type CacheConfig, encodeCacheConfig, parseCacheConfig } from "../document/config.ts";
import { annotationsOf, descriptorsOf } from "../document/annotated.ts";
import { type DocumentForm, encodeContainer, readContainer } from "../document/container.ts";
import type { CacheNode } from "../document/graph-types.ts";
import { encodeNotes, readNotes } from "../document/notes.ts";
import { NOTES_TYPE, notesDescriptor } from "../document/notes-blob.ts";
import { type LoadedGraph, loadGraph } from "../document/read-graph.ts";
import { configOf } from "../document/write-graph.ts";
import { type CacheContents, foreignContents } from "./scopes.ts";

/** A document as a blob. */
export interface EncodedBlob {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** The blobs of a cache document. The config and the manifest are the same if the document is annotated. */
export interface EncodedDocument {
  readonly config: EncodedBlob;
  readonly manifest: EncodedBlob;
  /** Undefined if no record has a note. It must exist before the manifest does. */
  readonly notes: EncodedBlob | undefined;
}

/** What a document contains besides what BuildKit needs. */
export interface EncodeOptions {
  /** The names of steps. Default: true. */
  readonly named?: boolean | undefined;
  /** The notes of records. Default: true. */
  readonly noted?: boolean | undefined;
}

/** Encodes a cache document. Equal contents give equal bytes. */
export function encodeContents(
  contents: CacheContents,
  form: DocumentForm,
  { named = true, noted = true }: EncodeOptions = {},
): EncodedDocument {
  const { graph, generations } = contents;
  const { config, layers, indices } = configOf(graph);
  const notes = noted ? notesOf(contents, indices) : undefined;
  const scopes = generations.map(({ scope: id, tops, at, partial }) => {
    const records = tops.flatMap((top) => indices.get(top) ?? []);
    return { id, tops: records.sort((a, b) => a - b), at, partial };
  });
  const all = { ...config, scopes, names: named ? config.names : [] };
  if (form === "annotated") {
    const annotated = config.layers.map((layer, at) => {
      const descriptor = layers[at];
      return descriptor === undefined ? layer : { ...layer, annotations: annotationsOf(descriptor) };
    });
    const place = notes && { digest: notes.descriptor.digest, size: notes.descriptor.size };
    const bytes = encodeCacheConfig({ ...all, layers: annotated, notes: place });
    const document = blob(bytes, MediaType.buildkitCacheConfig);
    return { config: document, manifest: document, notes };
  }
  const encoded = blob(encodeCacheConfig(all), MediaType.buildkitCacheConfig);
  const blobs = notes === undefined ? layers : [...layers, notes.descriptor];
  const { bytes, mediaType } = encodeContainer(form, encoded.descriptor, blobs);
  return { config: encoded, manifest: blob(bytes, mediaType), notes };
}

/** Encodes the notes of the records, those of the newest exports first. */
function notesOf({ generations }: CacheContents, indices: ReadonlyMap<CacheNode, number>): EncodedBlob | undefined {
  const newest = [...generations].sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0));
  const nodes = new Set<CacheNode>();
  for (const { tops } of newest) for (const top of tops) addWithInputs(top, nodes);
  const notes = [...nodes].flatMap((node) => {
    const record = indices.get(node);
    return node.note === undefined || record === undefined ? [] : [{ record, note: node.note }];
  });
  const bytes = encodeNotes(notes);
  return bytes && blob(bytes, NOTES_TYPE);
}

function addWithInputs(top: CacheNode, nodes: Set<CacheNode>): void {
  const open = new Set([top]);
  for (const node of open) {
    if (nodes.has(node)) continue;
    nodes.add(node);
    for (const link of node.inputs.flat()) open.add(link.node);
  }
}

/** Returns the form of a document with this media type. */
export function formOf(mediaType: string): DocumentForm {
  if (mediaType === MediaType.buildkitCacheConfig) return "annotated";
  if (mediaType === MediaType.dockerList) return "docker-list";
  return mediaType === MediaType.ociIndex ? "oci-index" : "manifest";
}

function blob(bytes: Uint8Array, mediaType: string): EncodedBlob {
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.byteLength }, bytes };
}

/** A cache config with the descriptors of its layers. */
interface DescribedConfig {
  readonly config: CacheConfig;
  readonly layers: ReadonlyMap<Digest, Descriptor>;
  /** The blob with notes. */
  readonly notes: Descriptor | undefined;
}

/** Reads a blob of a document. */
export type ReadBlob = (blob: Descriptor, signal?: AbortSignal) => Promise<Uint8Array>;

/** Reads the cache config of a document, and the descriptors of its layers. Returns undefined for an image or an index of images. */
export async function describedConfig(
  bytes: Uint8Array,
  type: string | undefined,
  read: ReadBlob,
): Promise<DescribedConfig | undefined> {
  const container = readContainer(bytes, type);
  if (container.kind === "inline") return undefined;
  if (container.kind === "annotated") {
    const config = parseCacheConfig(bytes);
    return { config, layers: descriptorsOf(config.layers), notes: config.notes && notesDescriptor(config.notes) };
  }
  const config = parseCacheConfig(await read(container.config));
  const layers = new Map(container.layers.map((layer) => [layer.digest, layer]));
  return { config, layers, notes: container.notes };
}

/**
 * Returns the graph of a document. Its notes are read when they are asked for; if they cannot be read, there are none. `read` reads
 * a blob, `source` is where the layers can be fetched. Notes are read when
 * they are asked for: see `CacheGraph.loadNotes`.
 */
export function describedGraph(
  { config, layers, notes }: DescribedConfig,
  read: ReadBlob,
  source?: string,
): LoadedGraph {
  const loaded = loadGraph(config, layers, source);
  loaded.graph.deferNotes(async (signal) => {
    if (notes === undefined) return new Map();
    const found = await readNotes(notes, config.records.length, () => read(notes, signal));
    return new Map(
      found.flatMap(({ record, note }) => {
        const node = loaded.nodes[record];
        return node === undefined ? [] : [[node, note] as const];
      }),
    );
  });
  return loaded;
}

/**
 * Decodes a cache document with a media type; `read` reads its other blobs. Returns undefined for an image or an index of images.
 * `source` is where the layers can be fetched.
 *
 * @throws {VarveError} `corrupt` for any other document.
 */
export async function decodeContents(
  { bytes, type }: { readonly bytes: Uint8Array; readonly type?: string | undefined },
  read: ReadBlob,
  source?: string,
): Promise<CacheContents | undefined> {
  const described = await describedConfig(bytes, type, read);
  if (described === undefined) return undefined;
  const { config } = described;
  const { graph, nodes } = describedGraph(described, read, source);
  if (config.scopes.length === 0) return foreignContents(graph);
  const generations = config.scopes.map(({ id: scope, tops, at, partial }) => ({
    scope,
    tops: tops.flatMap((top) => nodes[top] ?? []),
    at,
    partial,
  }));
  return { graph, generations };
}

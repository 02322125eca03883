import { type Descriptor, MediaType, digestOf } from "../../core/index.ts";
import { annotationsOf } from "../document/annotated.ts";
import { type CacheConfig, encodeCacheConfig } from "../document/config.ts";
import { type DocumentForm, encodeContainer } from "../document/container.ts";
import type { CacheNode } from "../document/graph-types.ts";
import { encodeNotes } from "../document/notes.ts";
import { NOTES_TYPE } from "../document/notes-blob.ts";
import { configOf } from "../document/write-graph.ts";
import type { DocumentSigner } from "../signing/trust.ts";
import { type ReadBlob, describeEncoded, describedConfig, describedGraph } from "./described.ts";
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
  /** Signs the document. */
  readonly signer?: DocumentSigner | undefined;
}

/** Encodes a cache document. Equal contents give equal bytes. */
export function encodeContents(
  contents: CacheContents,
  form: DocumentForm,
  { named = true, noted = true, signer }: EncodeOptions = {},
): EncodedDocument {
  const { graph, generations } = contents;
  const { config, layers, indices } = configOf(graph);
  const notes = noted ? notesOf(contents, indices) : undefined;
  const scopes = generations.map(({ scope: id, tops, at, partial }) => {
    const records = tops.flatMap((top) => indices.get(top) ?? []);
    return { id, tops: records.sort((a, b) => a - b), at, partial };
  });
  const { released } = contents;
  const all = { ...config, scopes, names: named ? config.names : [], ...(released && { released }) };
  const document = encodeConfig(all, { layers, notes, form });
  if (signer === undefined) return document;
  const { scope } = signer;
  const { bytes, descriptor } = document.manifest;
  const { evidence } = describeEncoded(document.config.bytes, { bytes, type: descriptor.mediaType });
  const signature = { scope, ed25519: signer.sign(evidence.signedBytes(scope)) };
  return encodeConfig({ ...all, signature }, { layers, notes, form });
}

interface ConfigParts {
  /** The descriptor of each layer. */
  readonly layers: readonly Descriptor[];
  readonly notes: EncodedBlob | undefined;
  readonly form: DocumentForm;
}

function encodeConfig(config: CacheConfig, { layers, notes, form }: ConfigParts): EncodedDocument {
  if (form === "annotated") {
    const annotated = config.layers.map((layer, at) => {
      const descriptor = layers[at];
      return descriptor === undefined ? layer : { ...layer, annotations: annotationsOf(descriptor) };
    });
    const place = notes && { digest: notes.descriptor.digest, size: notes.descriptor.size };
    const bytes = encodeCacheConfig({ ...config, layers: annotated, notes: place });
    const document = blob(bytes, MediaType.buildkitCacheConfig);
    return { config: document, manifest: document, notes };
  }
  const encoded = blob(encodeCacheConfig(config), MediaType.buildkitCacheConfig);
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
  const { config, own, evidence } = described;
  const { released } = config;
  const { graph, nodes } = describedGraph(described, read, source);
  if (config.scopes.length === 0) return { ...foreignContents(graph), released, own, evidence };
  const generations = config.scopes.map(({ id: scope, tops, at, partial }) => ({
    scope,
    tops: tops.flatMap((top) => nodes[top] ?? []),
    at,
    partial,
  }));
  return { graph, generations, released, own, evidence };
}

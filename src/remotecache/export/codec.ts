import { type Descriptor, type Digest, MediaType, digestOf } from "../../core/index.ts";
import { type CacheConfig, encodeCacheConfig, parseCacheConfig } from "../document/config.ts";
import { annotationsOf, descriptorsOf } from "../document/annotated.ts";
import { type DocumentForm, encodeContainer, readContainer } from "../document/container.ts";
import { loadGraph } from "../document/read-graph.ts";
import { configOf } from "../document/write-graph.ts";
import { type CacheContents, foreignContents } from "./scopes.ts";

/** A document as a blob. */
export interface EncodedBlob {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** The two blobs of a cache document. They are the same if the document is annotated. */
export interface EncodedDocument {
  readonly config: EncodedBlob;
  readonly manifest: EncodedBlob;
}

/** Encodes a cache document. Equal contents give equal bytes. `named: false` leaves out the names of steps. */
export function encodeContents(
  { graph, generations }: CacheContents,
  form: DocumentForm,
  { named = true }: { readonly named?: boolean | undefined } = {},
): EncodedDocument {
  const { config, layers, indices } = configOf(graph);
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
    const document = blob(encodeCacheConfig({ ...all, layers: annotated }), MediaType.buildkitCacheConfig);
    return { config: document, manifest: document };
  }
  const encoded = blob(encodeCacheConfig(all), MediaType.buildkitCacheConfig);
  const { bytes, mediaType } = encodeContainer(form, encoded.descriptor, layers);
  return { config: encoded, manifest: blob(bytes, mediaType) };
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
}

/** Reads the cache config of a document, and the descriptors of its layers. Returns undefined for an image or an index of images. */
export async function describedConfig(
  bytes: Uint8Array,
  type: string | undefined,
  read: (config: Descriptor) => Promise<Uint8Array>,
): Promise<DescribedConfig | undefined> {
  const container = readContainer(bytes, type);
  if (container.kind === "inline") return undefined;
  if (container.kind === "annotated") {
    const config = parseCacheConfig(bytes);
    return { config, layers: descriptorsOf(config.layers) };
  }
  const config = parseCacheConfig(await read(container.config));
  return { config, layers: new Map(container.layers.map((layer) => [layer.digest, layer])) };
}

/**
 * Decodes a cache document with a media type; `read` reads its config. Returns undefined for an image or an index of images. `source` is where the
 * blobs can be fetched.
 *
 * @throws {VarveError} `corrupt` for any other document.
 */
export async function decodeContents(
  { bytes, type }: { readonly bytes: Uint8Array; readonly type?: string | undefined },
  read: (config: Descriptor) => Promise<Uint8Array>,
  source?: string,
): Promise<CacheContents | undefined> {
  const described = await describedConfig(bytes, type, read);
  if (described === undefined) return undefined;
  const { config, layers } = described;
  const { graph, nodes } = loadGraph(config, layers, source);
  if (config.scopes.length === 0) return foreignContents(graph);
  const generations = config.scopes.map(({ id: scope, tops, at, partial }) => ({
    scope,
    tops: tops.flatMap((top) => nodes[top] ?? []),
    at,
    partial,
  }));
  return { graph, generations };
}

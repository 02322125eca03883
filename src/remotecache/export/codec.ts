import { type Descriptor, MediaType, digestOf } from "../../core/index.ts";
import { encodeCacheConfig, parseCacheConfig } from "../document/config.ts";
import { type ContainerForm, encodeContainer, readContainer } from "../document/container.ts";
import { loadGraph } from "../document/read-graph.ts";
import { configOf } from "../document/write-graph.ts";
import { type CacheContents, foreignContents } from "./scopes.ts";

/** A document as a blob. */
export interface EncodedBlob {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** The two blobs of a cache document. */
export interface EncodedDocument {
  readonly config: EncodedBlob;
  readonly manifest: EncodedBlob;
}

/** Encodes a cache document. Equal contents give equal bytes. `named: false` leaves out the names of steps. */
export function encodeContents(
  { graph, generations }: CacheContents,
  form: ContainerForm,
  { named = true }: { readonly named?: boolean | undefined } = {},
): EncodedDocument {
  const { config, layers, indices } = configOf(graph);
  const scopes = generations.map(({ scope: id, tops, at }) => {
    const records = tops.flatMap((top) => indices.get(top) ?? []);
    return { id, tops: records.sort((a, b) => a - b), at };
  });
  const encoded = blob(
    encodeCacheConfig({ ...config, scopes, names: named ? config.names : [] }),
    MediaType.buildkitCacheConfig,
  );
  const { bytes, mediaType } = encodeContainer(form, encoded.descriptor, layers);
  return { config: encoded, manifest: blob(bytes, mediaType) };
}

/** Returns the form of a document with this media type. */
export function formOf(mediaType: string): ContainerForm {
  if (mediaType === MediaType.dockerList) return "docker-list";
  return mediaType === MediaType.ociIndex ? "oci-index" : "manifest";
}

function blob(bytes: Uint8Array, mediaType: string): EncodedBlob {
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.byteLength }, bytes };
}

/**
 * Decodes a cache document; `read` reads its config. Returns undefined for an image or an index of images. `source` is where the
 * blobs can be fetched.
 *
 * @throws {VarveError} `corrupt` for any other document.
 */
export async function decodeContents(
  bytes: Uint8Array,
  read: (config: Descriptor) => Promise<Uint8Array>,
  source?: string,
): Promise<CacheContents | undefined> {
  const container = readContainer(bytes);
  if (container.kind === "inline") return undefined;
  const config = parseCacheConfig(await read(container.config));
  const layers = new Map(container.layers.map((layer) => [layer.digest, layer]));
  const { graph, nodes } = loadGraph(config, layers, source);
  if (config.scopes.length === 0) return foreignContents(graph);
  const generations = config.scopes.map(({ id: scope, tops, at }) => ({
    scope,
    tops: tops.flatMap((top) => nodes[top] ?? []),
    at,
  }));
  return { graph, generations };
}

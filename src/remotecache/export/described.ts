import type { Descriptor, Digest } from "../../core/index.ts";
import { descriptorsOf } from "../document/annotated.ts";
import { type CacheConfig, encodeCacheConfig, parseCacheConfig } from "../document/config.ts";
import { readContainer } from "../document/container.ts";
import { readNotes } from "../document/notes.ts";
import { notesDescriptor } from "../document/notes-blob.ts";
import { type LoadedGraph, loadGraph } from "../document/read-graph.ts";
import { signedBytes } from "../document/signature.ts";
import type { Evidence } from "../signing/trust.ts";

/** A cache config with the descriptors of its layers. */
export interface DescribedConfig {
  readonly config: CacheConfig;
  readonly layers: ReadonlyMap<Digest, Descriptor>;
  /** The blob with notes. */
  readonly notes: Descriptor | undefined;
  /** The blobs that the document consists of, without its manifest. */
  readonly own: readonly Digest[];
  readonly evidence: Evidence;
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
  if (container.kind === "annotated") return describeAnnotated(bytes);
  return describeListed(await read(container.config), container);
}

/** As `describedConfig`, for a document that was just encoded: what its readers will read. */
export function describeEncoded(
  config: Uint8Array,
  { bytes, type }: { readonly bytes: Uint8Array; readonly type: string },
): DescribedConfig {
  const container = readContainer(bytes, type);
  return container.kind === "cache" ? describeListed(config, container) : describeAnnotated(config);
}

function describeAnnotated(bytes: Uint8Array): DescribedConfig {
  const config = parseCacheConfig(bytes);
  const notes = config.notes && notesDescriptor(config.notes);
  return withEvidence({
    config,
    layers: descriptorsOf(config.layers),
    notes,
    own: notes === undefined ? [] : [notes.digest],
  });
}

interface ListedBlobs {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly notes?: Descriptor | undefined;
}

function describeListed(bytes: Uint8Array, { config, layers: listed, notes }: ListedBlobs): DescribedConfig {
  const layers = new Map(listed.map((layer) => [layer.digest, layer]));
  const own = [config.digest, ...(notes === undefined ? [] : [notes.digest])];
  return withEvidence({ config: parseCacheConfig(bytes), layers, notes, own });
}

function withEvidence(described: Omit<DescribedConfig, "evidence">): DescribedConfig {
  const { config, layers: descriptors, notes } = described;
  const { signature, ...unsigned } = config;
  const blobs = config.layers.map(({ blob }) => blob);
  const evidence: Evidence = {
    signature,
    isEmpty: config.records.length === 0,
    signedBytes: (scope) => signedBytes({ encoded: encodeCacheConfig(unsigned), blobs, descriptors, notes }, scope),
  };
  return { ...described, evidence };
}

/**
 * Returns the graph of a document. Its notes are read when they are asked for (see `CacheGraph.loadNotes`); if they cannot be read, there
 * are none. `read` reads a blob, `source` is where the layers can be fetched.
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

import { type Digest, type Platform, VarveError, digestOf, formatGoTime, normalizePlatform } from "../core/index.ts";
import {
  type ContainerConfig,
  type HistoryEntry,
  type ImageConfig,
  type ImageLayer,
  ImageRelations,
  type LocalImage,
  type Relation,
  imageFields,
} from "../image/index.ts";
import { type Hold, type LayerBlob, type RecordId, SCRATCH } from "../record/index.ts";
import type { LocalImages } from "./types.ts";
import { documentsOf, writeDocuments } from "./write.ts";

/** The diffID of an empty layer. */
const EMPTY_DIFF: Digest = digestOf(new Uint8Array(1024));

export interface CommitRequest {
  /** Undefined for an image without a parent. */
  readonly parent: LocalImage | undefined;
  /** A layer above the parent's filesystem (`recordOf`); undefined if the step changes no files. */
  readonly record: RecordId | undefined;
  /** Config of the new image. Fields that only containers have are removed. */
  readonly config: ContainerConfig;
  /** The config that the classic builder's cache compares. */
  readonly containerConfig: ContainerConfig;
  readonly createdBy: string;
  readonly author?: string;
  readonly comment?: string;
  /** Platform of the image. OS version and features are those of the parent or the step. */
  readonly platform: Platform;
  /** Nanoseconds since 1970. Default: now. With a fixed time, the same request creates the same image. */
  readonly created?: bigint;
}

const CLOCK_START = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();

/** Returns nanoseconds since 1970. Two calls in a process never return the same time. */
export function now(): bigint {
  return CLOCK_START + process.hrtime.bigint();
}

function platformFields(platform: Platform): Pick<ImageConfig, "architecture" | "os" | "variant" | "os.version"> {
  const { os, architecture, variant, osVersion, osFeatures } = normalizePlatform(platform);
  return {
    os,
    architecture,
    ...(variant !== undefined && { variant }),
    ...(osVersion !== undefined && { "os.version": osVersion }),
    ...(osFeatures !== undefined && { "os.features": osFeatures }),
  };
}

/** Returns a layer blob as `LocalImage` lists it. */
export function asImageLayer({ diffId, descriptor: { mediaType, digest, size } }: LayerBlob): ImageLayer {
  return { diffId, descriptor: { mediaType, digest, size } };
}

/** Returns the layers of a record above those of the parent, without empty layers. */
async function newLayers(request: CommitRequest, store: LocalImages, hold: Hold): Promise<ImageLayer[]> {
  const { record = SCRATCH, parent } = request;
  if (record === SCRATCH) return [];
  const below = parent?.layers ?? [];
  const all = await store.records.blobs(record, {}, hold);
  if (!below.every(({ diffId }, index) => all[index]?.diffId === diffId))
    throw new VarveError("internal", `Cannot commit record ${record}: it is not based on the layers of ${parent?.id}`);
  const added = all.slice(below.length).filter(({ diffId }) => diffId !== EMPTY_DIFF);
  await Promise.all(all.map((layer) => store.records.fetch(layer, hold)));
  return added.map(asImageLayer);
}

function historyEntry({ createdBy, author, comment }: CommitRequest, created: string, empty: boolean): HistoryEntry {
  return {
    created,
    ...(createdBy !== "" && { created_by: createdBy }),
    ...(author !== undefined && author !== "" && { author }),
    ...(comment !== undefined && comment !== "" && { comment }),
    ...(empty && { empty_layer: true }),
  };
}

/**
 * Creates an image from a step and keeps it without a name. The lease keeps its blobs meanwhile, so that an interrupted commit leaves
 * only blobs for the next collection. The same request creates the same image if it has a time.
 */
export async function commitImage(request: CommitRequest, store: LocalImages, hold: Hold): Promise<LocalImage> {
  const { parent, author, platform } = request;
  const added = await newLayers(request, store, hold);
  const created = formatGoTime(request.created ?? now());
  const config: Omit<ImageConfig, "rootfs"> = {
    created,
    ...(author !== undefined && author !== "" && { author }),
    ...platformFields(platform),
    config: imageFields(request.config),
    history: [...(parent?.config.history ?? []), historyEntry(request, created, added.length === 0)],
  };
  const documents = documentsOf(config, [...(parent?.layers ?? []), ...added]);
  const manifest = await writeDocuments(documents, store, hold);
  const relation: Relation = {
    id: documents.id,
    manifest,
    parent: parent?.id,
    builtHere: true,
    containerConfig: request.containerConfig,
  };
  const relations = new ImageRelations(store.state);
  relations.record(relation);
  return {
    ...relation,
    manifest: relations.get(documents.id)?.manifest ?? manifest,
    config: documents.config,
    layers: documents.layers,
  };
}

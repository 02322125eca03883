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

/** The diffID of a layer without entries: an archive's end. */
const EMPTY_DIFF: Digest = digestOf(new Uint8Array(1024));

export interface CommitRequest {
  /** Undefined for an image made from nothing. */
  readonly parent: LocalImage | undefined;
  /** A layer on the parent's filesystem (`recordOf`), or undefined where the step changes no file. */
  readonly record: RecordId | undefined;
  /** Of the new image. What containers alone have of it is left out. */
  readonly config: ContainerConfig;
  /** What the cache compares: the probe's config, untouched. */
  readonly containerConfig: ContainerConfig;
  readonly createdBy: string;
  readonly author?: string;
  readonly comment?: string;
  /** Of the image. The parent's or the step's OS version and features come with it. */
  readonly platform: Platform;
  /** ns since 1970. Now, unless given; then the image is the same whenever it is committed. */
  readonly created?: bigint;
}

const CLOCK_START = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();

/** Nanoseconds since 1970: two commits of a process are never of the same time. */
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

/** As an image names it. */
export function asImageLayer({ diffId, descriptor: { mediaType, digest, size } }: LayerBlob): ImageLayer {
  return { diffId, descriptor: { mediaType, digest, size } };
}

/** What a record has upon the parent's layers, without layers that hold nothing. */
async function newLayers(request: CommitRequest, store: LocalImages, hold: Hold): Promise<ImageLayer[]> {
  const { record = SCRATCH, parent } = request;
  if (record === SCRATCH) return [];
  const below = parent?.layers ?? [];
  const all = await store.records.blobs(record, {}, hold);
  if (!below.every(({ diffId }, index) => all[index]?.diffId === diffId))
    throw new VarveError(
      "internal",
      `Cannot commit record ${record}: it does not stand on the layers of ${parent?.id}`,
    );
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
 * Makes an image of a step and keeps it, without a name. Until then the lease keeps what is written, so that a commit that
 * is interrupted leaves nothing but blobs for the next collection. The same request gives the same image if it says when
 * it was created.
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

import { Annotation, chainId, digestOf } from "../core/index.ts";
import type { ContentStore, Lease } from "../content/index.ts";
import type { Bytes } from "../io/index.ts";
import type { MountedTree, Snapshotter } from "../snapshot/index.ts";
import type { Database } from "../state/index.ts";
import { Blobs } from "./blobs/blobs.ts";
import { layersOf } from "./layers.ts";
import { withRecordInError } from "./keys.ts";
import type { MountPoints } from "./snapshots/mount-points.ts";
import { type BeginOptions, type MutableLayer, beginLayer, beginRevision } from "./snapshots/mutable.ts";
import { moveLayer } from "./snapshots/move.ts";
import { Snapshots } from "./snapshots/snapshots.ts";
import { RecordTable } from "./table.ts";
import { LayerVersions } from "./versions.ts";
import {
  type BlobForm,
  type BlobOptions,
  type DiffPair,
  type FetchBlob,
  type Hold,
  type LayerBlob,
  type RecordId,
  type RecordRow,
  type RemoteLayer,
  SCRATCH,
} from "./types.ts";

export interface RecordDeps {
  readonly state: Database;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly fetchBlob: FetchBlob;
  readonly mounts: MountPoints;
}

/**
 * The records of a root: its filesystem states, and the two forms (snapshot and blob) of their layers.
 *
 * @example
 * await using layer = await records.begin(SCRATCH, { description: "COPY f /" }, { lease });
 * await writeFile(join(layer.path, "f"), "text");
 * const { id } = await layer.commit();
 * const [pair] = await records.diffPairs(id, { compression: "zstd" }, { lease });
 */
export class Records {
  readonly table: RecordTable;
  readonly snapshots: Snapshots;
  readonly versions: LayerVersions;
  readonly #blobs: Blobs;
  readonly #deps: RecordDeps;
  readonly #used = new Set<RecordId>();

  constructor(deps: RecordDeps) {
    this.#deps = deps;
    this.table = new RecordTable(deps.state);
    this.versions = new LayerVersions(deps.state);
    this.snapshots = new Snapshots({ ...deps, table: this.table });
    this.#blobs = new Blobs({ ...deps, table: this.table, snapshots: this.snapshots });
  }

  /** Whether snapshots are stacked by overlayfs, which needs root. */
  get stacks(): boolean {
    return this.#deps.snapshotter.stacksMerges;
  }

  /** Returns a record, or undefined if it does not exist (any more). */
  get(id: RecordId): RecordRow | undefined {
    return this.table.get(id);
  }

  /** Adds a record to the lease. Returns false if the record does not exist any more. */
  pin(id: RecordId, lease: Lease): boolean {
    if (id === SCRATCH) return true;
    return this.table.transaction(() => {
      if (this.table.get(id) === undefined) return false;
      lease.add("record", id);
      this.#used.add(id);
      return true;
    });
  }

  /** Creates a writable layer on top of a record, and mounts it. */
  async begin(parent: RecordId, options: BeginOptions, hold: Hold): Promise<MutableLayer> {
    return await beginLayer({ ...this.#deps, table: this.table, snapshots: this.snapshots }, parent, options, hold);
  }

  /**
   * Creates a writable layer that starts as an earlier version of it, the layer of the record `earlier`, and mounts it. Only what
   * differs takes time and space. `above` is the number of layers that may be put on top of it. Returns undefined if the layer has to
   * be written as a whole: snapshots are copies, the record has no snapshot any more, or it is a new version too often.
   */
  async beginRevision(
    earlier: RecordId,
    options: BeginOptions & { readonly above: number },
    hold: Hold,
  ): Promise<MutableLayer | undefined> {
    return await beginRevision({ ...this.#deps, table: this.table, snapshots: this.snapshots }, earlier, options, hold);
  }

  /**
   * Returns a record with the last layer of the record `layer` on top of `parent`. The caller knows that it fits: that a step which made
   * it on top of its own parent would have made the same layer here. The files are shared; a layer of which there is only a blob is not
   * fetched. Undefined if snapshots are copies, or `layer` is no such record.
   */
  async move(layer: RecordId, parent: RecordId, hold: Hold): Promise<RecordId | undefined> {
    return await moveLayer({ ...this.#deps, table: this.table, snapshots: this.snapshots }, layer, parent, hold);
  }

  /** Returns the directory with what a layer changed, in overlayfs's format. Undefined if the layer has no snapshot of its own. */
  upperDir(id: RecordId): string | undefined {
    const snapshot = this.table.get(id)?.snapshot;
    return snapshot === undefined ? undefined : this.#deps.snapshotter.upperDir(snapshot);
  }

  /** Returns the directories that show a layer together, topmost first; see `Snapshotter.upperDirs`. */
  upperDirs(id: RecordId): readonly string[] | undefined {
    const snapshot = this.table.get(id)?.snapshot;
    return snapshot === undefined ? undefined : this.#deps.snapshotter.upperDirs(snapshot);
  }

  /**
   * Returns the record of a layer on top of `parent`, given by its blob. Reuses the record with the same chain of blobs if
   * there is one. The blob need not be in the content store.
   */
  addLayer(parent: RecordId, layer: RemoteLayer, lease: Lease): RecordRow {
    return this.table.transaction(() => {
      const row = this.#sameBlobs(parent, layer) ?? this.#insertLayer(parent, layer);
      this.table.addSources(row.id, layer.sources);
      this.table.addUrls(row.id, layer.urls ?? []);
      lease.add("record", row.id);
      this.#used.add(row.id);
      return row;
    });
  }

  /**
   * Returns the record of a layer on top of `parent`, given by its uncompressed archive. The layer has a blob; its snapshot is made
   * when somebody needs its files.
   */
  async addArchive(parent: RecordId, tar: Bytes, options: BeginOptions & BlobOptions, hold: Hold): Promise<RecordRow> {
    const { description, type, ...how } = options;
    const blob = await this.#blobs.store(tar, how, hold);
    return this.addLayer(parent, { ...blob, description, type }, hold.lease);
  }

  /** Adds layers on top of each other, lowest first, starting from scratch. Returns the topmost record. */
  addChain(layers: readonly RemoteLayer[], lease: Lease): RecordId {
    let id: RecordId = SCRATCH;
    for (const layer of layers) id = this.addLayer(id, layer, lease).id;
    return id;
  }

  /**
   * Returns a record whose layers are those of the parents, lowest parent first. Nested merges are flattened. A single parent
   * is returned as it is; no parent gives scratch.
   */
  merge(parents: readonly RecordId[], options: BeginOptions, lease: Lease): RecordId {
    const flat = parents.filter((id) => id !== SCRATCH).flatMap((id) => this.#parentsIfMerge(id));
    const [first] = flat;
    if (first === undefined) return SCRATCH;
    if (flat.length === 1) return first;
    return this.table.transaction(() => {
      const row = this.table.insert({ kind: "merge", parents: flat, ...options });
      lease.add("record", row.id);
      return row.id;
    });
  }

  /**
   * Returns the record that turns `lower` into `upper` when it is merged on top of `lower`. If `upper` is built on `lower`, its
   * own layers are reused; otherwise both trees are compared and the result is one new layer. Equal records give scratch.
   */
  async diff(lower: RecordId, upper: RecordId, hold: Hold): Promise<RecordId> {
    if (lower === upper) return SCRATCH;
    if (lower === SCRATCH) return upper;
    const [below, above] = [this.layers(lower), this.layers(upper)];
    if (!below.every((row, index) => above[index]?.id === row.id)) {
      return this.addLayer(SCRATCH, await this.#blobs.diffTrees(lower, upper, hold), hold.lease).id;
    }
    const blobs = await this.blobs(upper, {}, hold);
    const own = blobs.slice(below.length).map((layer) => this.addLayer(SCRATCH, blobFormOf(layer), hold.lease).id);
    return this.merge(own, {}, hold.lease);
  }

  /**
   * Returns a record with one new layer on top of `lower` that has the same tree as `upper`. The layer is empty if the trees
   * are the same.
   */
  async flatten(lower: RecordId, upper: RecordId, hold: Hold): Promise<RecordId> {
    return this.addLayer(lower, await this.#blobs.diffTrees(lower, upper, hold), hold.lease).id;
  }

  /**
   * Returns the layers of a record, lowest first, merges flattened.
   * @throws {VarveError} `not-found`, or `limit-exceeded` for more than `Limits.layers` layers.
   */
  layers(id: RecordId): RecordRow[] {
    return layersOf(this.table, id);
  }

  /**
   * Mounts the tree of a record read-only, after creating its snapshot if necessary. Dispose of the result to unmount.
   * @throws {VarveError} `not-found` if the record or its blob does not exist; `corrupt` if a blob does not match its diffID.
   */
  async mount(id: RecordId, hold: Hold): Promise<MountedTree> {
    return await this.snapshots.mount(id, hold);
  }

  /**
   * Returns the (diffID, blob) pair of each layer of a record, lowest first. Missing pairs are computed and stored with the
   * record.
   *
   * - Pairs are computed in parallel, one per processor. Concurrent callers share one computation.
   * - If several processes compute the same pair, the first one to store it wins, and all of them return its pair.
   * - A cancelled caller returns at once. The computation stops when its last caller is cancelled.
   * - A new blob belongs to a lease while it is written, and to the record afterwards.
   * - The blob of a lazily pulled layer is not fetched. A lost blob without a source is computed again from the layer's tree.
   */
  async diffPairs(id: RecordId, options: BlobOptions, hold: Hold): Promise<DiffPair[]> {
    const layers = await this.blobs(id, options, hold);
    return layers.map(({ diffId, descriptor: { digest, mediaType, size } }) => ({ diffId, digest, mediaType, size }));
  }

  /** Like `diffPairs`, but returns everything that a manifest needs for each layer. */
  async blobs(id: RecordId, options: BlobOptions, hold: Hold): Promise<LayerBlob[]> {
    return await this.#blobs.of(id, options, hold);
  }

  /** Like `blobs`, but computes nothing. Returns undefined if one of the blobs does not exist. */
  async existingBlobs(id: RecordId, options: BlobOptions, hold: Hold): Promise<LayerBlob[] | undefined> {
    return await this.#blobs.existing(id, options, hold);
  }

  /** Fetches the blob of a layer unless it is in the content store. An error has the record's id as `details.record`. */
  async fetch(layer: LayerBlob, hold: Hold): Promise<void> {
    await withRecordInError(rowOfLayer(layer), () => this.snapshots.fetch(blobFormOf(layer), hold));
  }

  /**
   * Runs `work`, which reads the blob of a layer from the content store, after fetching the blob if necessary. If the blob
   * turns out to be damaged, fetches it again and retries once. An error has the record's id as `details.record`.
   */
  async withBlob<T>(layer: LayerBlob, hold: Hold, work: () => Promise<T>): Promise<T> {
    return await withRecordInError(rowOfLayer(layer), () => this.snapshots.withBlob(blobFormOf(layer), hold, work));
  }

  /** Stores the time of last use and the usage count of the records used since the last call. A build calls it at its end. */
  flushUsage(): void {
    if (this.#used.size > 0) this.table.used(this.#used);
    this.#used.clear();
  }

  #parentsIfMerge(id: RecordId): readonly RecordId[] {
    const row = this.table.get(id);
    return row?.kind === "merge" ? row.parents : [id];
  }

  #sameBlobs(parent: RecordId, layer: RemoteLayer): RecordRow | undefined {
    const own = digestOf(`${layer.digest} ${layer.diffId}`);
    if (parent === SCRATCH) return this.table.byBlobChain(own);
    const below = this.table.blobChain(parent);
    return below === undefined ? undefined : this.table.byBlobChain(digestOf(`${below} ${own}`));
  }

  /** Inserts a record. If a record with the same chain id has a snapshot, the new record shares it. */
  #insertLayer(parent: RecordId, layer: RemoteLayer): RecordRow {
    const below = parent === SCRATCH ? undefined : this.table.get(parent)?.chainId;
    const chain = parent === SCRATCH ? layer.diffId : below === undefined ? undefined : chainId([below, layer.diffId]);
    const sameContent = chain === undefined ? undefined : this.table.byChain(chain);
    const { createdAt, description, type, ...blob } = layer;
    return this.table.insert({
      kind: "layer",
      parents: parent === SCRATCH ? [] : [parent],
      createdAt,
      description,
      type,
      blob,
      snapshot: sameContent?.snapshot,
    });
  }
}

function rowOfLayer({ record, description }: LayerBlob): Pick<RecordRow, "id" | "description"> {
  return { id: record, description };
}

function blobFormOf(layer: LayerBlob): BlobForm {
  const { digest, size, mediaType, annotations = {} } = layer.descriptor;
  const { [Annotation.uncompressed]: _diffId, [Annotation.createdAt]: _created, ...rest } = annotations;
  return { digest, size, mediaType, diffId: layer.diffId, sources: layer.sources, annotations: rest, urls: layer.urls };
}

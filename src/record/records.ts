import { Annotation, chainId, digestOf } from "../core/index.ts";
import type { ContentStore, Lease } from "../content/index.ts";
import type { MountedTree, Snapshotter } from "../snapshot/index.ts";
import type { Database } from "../state/index.ts";
import { Blobs } from "./blobs/blobs.ts";
import { layersOf } from "./layers.ts";
import { aboutRecord } from "./keys.ts";
import type { MountPoints } from "./snapshots/mount-points.ts";
import { type BeginOptions, type MutableLayer, beginLayer } from "./snapshots/mutable.ts";
import { Snapshots } from "./snapshots/snapshots.ts";
import { RecordTable } from "./table.ts";
import {
  type BlobFace,
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

/** The filesystem states this machine knows, and both faces of their layers. */
export class Records {
  readonly table: RecordTable;
  readonly snapshots: Snapshots;
  readonly #blobs: Blobs;
  readonly #deps: RecordDeps;
  readonly #used = new Set<RecordId>();

  constructor(deps: RecordDeps) {
    this.#deps = deps;
    this.table = new RecordTable(deps.state);
    this.snapshots = new Snapshots({ ...deps, table: this.table });
    this.#blobs = new Blobs({ ...deps, table: this.table, snapshots: this.snapshots });
  }

  get(id: RecordId): RecordRow | undefined {
    return this.table.get(id);
  }

  /** Has the lease keep a record; false if the record is gone. */
  pin(id: RecordId, lease: Lease): boolean {
    if (id === SCRATCH) return true;
    return this.table.transaction(() => {
      if (this.table.get(id) === undefined) return false;
      lease.add("record", id);
      this.#used.add(id);
      return true;
    });
  }

  /** Starts a new, writable layer on a record. */
  async begin(parent: RecordId, options: BeginOptions, hold: Hold): Promise<MutableLayer> {
    return await beginLayer({ ...this.#deps, table: this.table, snapshots: this.snapshots }, parent, options, hold);
  }

  /** The record of a layer on `parent` whose blob is known and need not be here: the existing one if there is one. */
  addLayer(parent: RecordId, layer: RemoteLayer, lease: Lease): RecordRow {
    return this.table.transaction(() => {
      const row = this.#sameBlobs(parent, layer) ?? this.#insertLayer(parent, layer);
      this.table.addSources(row.id, layer.sources);
      lease.add("record", row.id);
      this.#used.add(row.id);
      return row;
    });
  }

  /** A chain of layers, lowest first, on scratch. */
  addChain(layers: readonly RemoteLayer[], lease: Lease): RecordId {
    let id: RecordId = SCRATCH;
    for (const layer of layers) id = this.addLayer(id, layer, lease).id;
    return id;
  }

  /** The parents' layers stacked, lowest first. One parent is itself, none is scratch; nested merges are flattened. */
  merge(parents: readonly RecordId[], options: BeginOptions, lease: Lease): RecordId {
    const flat = parents.filter((id) => id !== SCRATCH).flatMap((id) => this.#dissolve(id));
    const [first] = flat;
    if (first === undefined) return SCRATCH;
    if (flat.length === 1) return first;
    return this.table.transaction(() => {
      const row = this.table.insert({ kind: "merge", parents: flat, ...options });
      lease.add("record", row.id);
      return row.id;
    });
  }

  /** What has to be laid upon `lower` to get `upper`: the layers themselves where `upper` stands on `lower`. */
  async diff(lower: RecordId, upper: RecordId, hold: Hold): Promise<RecordId> {
    if (lower === upper) return SCRATCH;
    if (lower === SCRATCH) return upper;
    const [below, above] = [this.layers(lower), this.layers(upper)];
    if (!below.every((row, index) => above[index]?.id === row.id)) {
      return this.addLayer(SCRATCH, await this.#blobs.between(lower, upper, hold), hold.lease).id;
    }
    const blobs = await this.blobs(upper, {}, hold);
    const own = blobs.slice(below.length).map((layer) => this.addLayer(SCRATCH, faceOf(layer), hold.lease).id);
    return this.merge(own, {}, hold.lease);
  }

  /** A single layer on `lower` that makes it `upper`, whatever the layers of the two are; one without entries if nothing differs. */
  async flatten(lower: RecordId, upper: RecordId, hold: Hold): Promise<RecordId> {
    return this.addLayer(lower, await this.#blobs.between(lower, upper, hold), hold.lease).id;
  }

  layers(id: RecordId): RecordRow[] {
    return layersOf(this.table, id);
  }

  async mount(id: RecordId, hold: Hold): Promise<MountedTree> {
    return await this.snapshots.mount(id, hold);
  }

  /**
   * The (diffID, blob) pair of each layer of a record, lowest first. Those that are not known are computed: at the same time,
   * as many as there are processors, and once each however many ask, in one call or in several. What is computed is kept by
   * a lease from its first byte, labelled with its diffID, and then kept by the record, for all calls and processes to come;
   * of processes that compute the same one wins, and all get its pair. A caller who is cancelled leaves at once, and the
   * computation ends with the last. The blob of a layer that was pulled lazily stays where it is; one that is lost and has
   * no source is computed again of the layer's tree.
   */
  async diffPairs(id: RecordId, options: BlobOptions, hold: Hold): Promise<DiffPair[]> {
    const layers = await this.blobs(id, options, hold);
    return layers.map(({ diffId, descriptor: { digest, mediaType, size } }) => ({ diffId, digest, mediaType, size }));
  }

  /** `diffPairs` with all that is known of each layer, ready to be named in a manifest. */
  async blobs(id: RecordId, options: BlobOptions, hold: Hold): Promise<LayerBlob[]> {
    return await this.#blobs.of(id, options, hold);
  }

  /** As `blobs`, where all of them exist; undefined if one would have to be made. */
  async existingBlobs(id: RecordId, options: BlobOptions, hold: Hold): Promise<LayerBlob[] | undefined> {
    return await this.#blobs.existing(id, options, hold);
  }

  /** Has the bytes of a layer in the content store. A failure says which record it is about. */
  async fetch(layer: LayerBlob, hold: Hold): Promise<void> {
    await aboutRecord(rowOfLayer(layer), () => this.snapshots.fetch(faceOf(layer), hold));
  }

  /** Does something with a layer's bytes in the content store; as `fetch`, and `Snapshots.readingBlob`. */
  async reading<T>(layer: LayerBlob, hold: Hold, work: () => Promise<T>): Promise<T> {
    return await aboutRecord(rowOfLayer(layer), () => this.snapshots.readingBlob(faceOf(layer), hold, work));
  }

  /** Writes down which records were used since the last call; called when a build ends. */
  flushUsage(): void {
    if (this.#used.size > 0) this.table.used(this.#used);
    this.#used.clear();
  }

  #dissolve(id: RecordId): readonly RecordId[] {
    const row = this.table.get(id);
    return row?.kind === "merge" ? row.parents : [id];
  }

  #sameBlobs(parent: RecordId, layer: RemoteLayer): RecordRow | undefined {
    const own = digestOf(`${layer.digest} ${layer.diffId}`);
    if (parent === SCRATCH) return this.table.byBlobChain(own);
    const below = this.table.blobChain(parent);
    return below === undefined ? undefined : this.table.byBlobChain(digestOf(`${below} ${own}`));
  }

  /** A new record; if the same content was unpacked before, from other blobs, it shares that snapshot. */
  #insertLayer(parent: RecordId, layer: RemoteLayer): RecordRow {
    const below = parent === SCRATCH ? undefined : this.table.get(parent)?.chainId;
    const chain = parent === SCRATCH ? layer.diffId : below === undefined ? undefined : chainId([below, layer.diffId]);
    const twin = chain === undefined ? undefined : this.table.byChain(chain);
    const { createdAt, description, ...blob } = layer;
    return this.table.insert({
      kind: "layer",
      parents: parent === SCRATCH ? [] : [parent],
      createdAt,
      description,
      blob,
      snapshot: twin?.snapshot,
    });
  }
}

function rowOfLayer({ record, description }: LayerBlob): Pick<RecordRow, "id" | "description"> {
  return { id: record, description };
}

function faceOf(layer: LayerBlob): BlobFace {
  const { digest, size, mediaType, annotations = {} } = layer.descriptor;
  const { [Annotation.uncompressed]: _diffId, [Annotation.createdAt]: _created, ...rest } = annotations;
  return { digest, size, mediaType, diffId: layer.diffId, sources: layer.sources, annotations: rest };
}

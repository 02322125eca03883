import { availableParallelism } from "node:os";
import { Annotation } from "../../core/index.ts";
import { type Bytes, Semaphore, inParallel } from "../../io/index.ts";
import type { Snapshotter } from "../../snapshot/index.ts";
import { inspectArchive } from "./empty-archive.ts";
import { ESTARGZ_LABEL, archiveOf } from "./estargz.ts";
import { withRecordInError } from "../keys.ts";
import { layersOf, rowOf, settleChains } from "../layers.ts";
import { KnownMembers, type MemberDeps } from "./members.ts";
import { LeasedSingleFlight } from "./leased-single-flight.ts";
import { compressionOf, isLost, replaceBlob } from "./lost-blob.ts";
import type { Snapshots } from "../snapshots/snapshots.ts";
import type { RecordTable } from "../table.ts";
import type { BlobForm, BlobOptions, Hold, LayerBlob, RecordId, RecordRow } from "../types.ts";
import { addVariant, findVariant, needsConversion } from "./variants.ts";

export interface BlobDeps extends MemberDeps {
  readonly table: RecordTable;
  readonly snapshotter: Snapshotter;
  readonly snapshots: Snapshots;
}

/**
 * The blob form of layers. Each layer's (diffID, blob) pair is computed once, layers in parallel, and stored with the record.
 * If several processes compute the same pair, the first one to store it wins.
 */
export class Blobs {
  readonly #deps: BlobDeps;
  readonly #flights: LeasedSingleFlight<string, BlobForm>;
  /** The blobs of layers without entries, by compression. */
  readonly #empty = new Map<string, BlobForm>();
  readonly #cores = new Semaphore(availableParallelism());

  constructor(deps: BlobDeps) {
    this.#deps = deps;
    this.#flights = new LeasedSingleFlight(deps.content);
  }

  /** Returns the layers of a record as blobs, lowest first. Computes missing blobs. Does not fetch lazily pulled layers. */
  async of(id: RecordId, options: BlobOptions, hold: Hold): Promise<LayerBlob[]> {
    const rows = layersOf(this.#deps.table, id);
    const found = await inParallel(rows, hold.signal, async (row, signal) => {
      return { row, blob: await this.#blobOf(row, options, { ...hold, signal }) };
    });
    settleChains(this.#deps.table, id);
    return found.map(({ row, blob }) => this.#layerBlob(row, blob));
  }

  /** Like `of`, but computes nothing. Returns undefined if one of the blobs does not exist. */
  async existing(id: RecordId, options: BlobOptions, hold: Hold): Promise<LayerBlob[] | undefined> {
    const rows = layersOf(this.#deps.table, id);
    const found = await Promise.all(
      rows.map(async (row) => ({ row, blob: await this.#existingBlobOf(row, options, hold) })),
    );
    const layers = found.flatMap(({ row, blob }) => (blob === undefined ? [] : this.#layerBlob(row, blob)));
    return layers.length === rows.length ? layers : undefined;
  }

  async #existingBlobOf(row: RecordRow, options: BlobOptions, hold: Hold): Promise<BlobForm | undefined> {
    const { compression = "gzip", force = false } = options;
    const primary = isLost(row, this.#deps) ? undefined : row.blob;
    if (primary === undefined) return undefined;
    if (!force || !(await needsConversion(primary, compression, this.#deps, hold))) return this.#leased(primary, hold);
    return this.#ifStored(await findVariant(row.id, primary, compression, { deps: this.#deps, hold }), hold);
  }

  #layerBlob(row: RecordRow, blob: BlobForm): LayerBlob {
    return layerBlob(row, blob, this.#deps.table.get(row.id)?.blob?.digest === blob.digest);
  }

  /** Adds a blob to the lease if it is in the content store. Returns the blob. */
  #leased(blob: BlobForm, { lease }: Hold): BlobForm {
    if (this.#deps.content.info(blob.digest) !== undefined) lease.add("blob", blob.digest);
    return blob;
  }

  /** Compares the trees of two records. Returns the layer that turns `lower` into `upper`. */
  async diffTrees(lower: RecordId, upper: RecordId, hold: Hold): Promise<BlobForm> {
    using _core = await this.#cores.acquire(hold.signal);
    await using below = await this.#deps.snapshots.mount(lower, hold);
    await using above = await this.#deps.snapshots.mount(upper, hold);
    const { diffTrees } = await import("../../layer/index.ts");
    return await this.#store(diffTrees({ lower: below.path, upper: above.path, signal: hold.signal }), {}, hold);
  }

  /** Stores an uncompressed archive as the blob of a layer that has no record yet. */
  async store(tar: Bytes, options: BlobOptions, hold: Hold): Promise<BlobForm> {
    using _core = await this.#cores.acquire(hold.signal);
    return await this.#store(tar, options, hold);
  }

  async #blobOf(row: RecordRow, options: BlobOptions, hold: Hold): Promise<BlobForm> {
    const known = row.blob !== undefined && !isLost(row, this.#deps) ? row.blob : undefined;
    const primary =
      known ?? (await this.#flights.run(row.id, (shared) => this.#compute(row.id, options, shared), hold));
    return this.#leased(options.force === true ? await this.#converted(row, primary, options, hold) : primary, hold);
  }

  async #compute(id: RecordId, options: BlobOptions, hold: Hold): Promise<BlobForm> {
    using _core = await this.#cores.acquire(hold.signal);
    const row = rowOf(this.#deps.table, id);
    const { blob } = row;
    if (blob !== undefined && !isLost(row, this.#deps)) return blob;
    const how = blob === undefined ? options : { compression: compressionOf(blob) };
    const make = (): Promise<BlobForm> => this.#withDiff(row, hold, (tar) => this.#store(tar, how, hold));
    const made = await withRecordInError(row, () => this.#deps.snapshots.withSnapshot(id, make));
    if (blob === undefined) this.#deps.table.setBlob(id, made);
    else replaceBlob(id, blob, made, this.#deps.table);
    return this.#deps.table.get(id)?.blob ?? made;
  }

  async #withDiff<T>(row: RecordRow, hold: Hold, use: (tar: Bytes) => Promise<T>): Promise<T> {
    const { snapshots, snapshotter } = this.#deps;
    const name = await snapshots.of(row.id, hold);
    await using lower = row.parents[0] === undefined ? undefined : await snapshots.mount(row.parents[0], hold);
    const { diffOverlay, diffTrees } = await import("../../layer/index.ts");
    const [upper, ...revises] = (name === undefined ? undefined : snapshotter.upperDirs(name)) ?? [];
    const { userXattr } = snapshotter;
    if (upper !== undefined)
      return await use(diffOverlay({ upper, revises, lower: lower?.path, userXattr, signal: hold.signal }));
    await using tree = await snapshots.mount(row.id, hold);
    return await use(diffTrees({ lower: lower?.path, upper: tree.path, signal: hold.signal }));
  }

  async #store(tar: Bytes, options: BlobOptions, hold: Hold): Promise<BlobForm> {
    const { createLayer } = await import("../../layer/index.ts");
    const { compression = "gzip", level } = options;
    await using archive = await inspectArchive(tar);
    const kind = `${compression} ${level ?? ""}`;
    const known = archive.empty ? this.#ifStored(this.#empty.get(kind), hold) : undefined;
    if (known !== undefined) return known;
    await using earlier = new KnownMembers(this.#deps, hold.signal);
    const layer = createLayer(archive.tar, { compression, level, members: earlier });
    const info = await this.#deps.content.put(layer.bytes, { lease: hold.lease, signal: hold.signal });
    const { diffId, mediaType, annotations, members } = await layer.result;
    earlier.keep(info.digest, members);
    const verdict = String(compression === "estargz");
    this.#deps.content.label(info.digest, { [Annotation.uncompressed]: diffId, [ESTARGZ_LABEL]: verdict });
    const blob = { digest: info.digest, size: info.size, diffId, mediaType, sources: [], annotations };
    if (archive.empty) this.#empty.set(kind, blob);
    return blob;
  }

  /** Adds a blob to the lease and returns it. Undefined if it is not in the content store. */
  #ifStored(blob: BlobForm | undefined, { lease }: Hold): BlobForm | undefined {
    return this.#deps.table.transaction(() => {
      if (blob === undefined || this.#deps.content.info(blob.digest) === undefined) return undefined;
      lease.add("blob", blob.digest);
      return blob;
    });
  }

  /** Returns the blob with the wanted compression: the blob itself, an existing variant, or a new one. */
  async #converted(row: RecordRow, primary: BlobForm, options: BlobOptions, hold: Hold): Promise<BlobForm> {
    const wanted = options.compression ?? "gzip";
    return await this.#flights.run(
      `${row.id} ${wanted}`,
      async (shared) => {
        if (!(await needsConversion(primary, wanted, this.#deps, shared))) return primary;
        const known = await findVariant(row.id, primary, wanted, { deps: this.#deps, hold: shared });
        const variant = this.#ifStored(known, shared) ?? (await this.#convert(primary, options, shared));
        addVariant(row.id, primary, variant, this.#deps);
        return variant;
      },
      hold,
    );
  }

  async #convert(primary: BlobForm, options: BlobOptions, hold: Hold): Promise<BlobForm> {
    return await this.#deps.snapshots.withBlob(primary, hold, async () => {
      using _core = await this.#cores.acquire(hold.signal);
      return await this.#store(archiveOf(this.#deps.content, primary.digest, hold.signal), options, hold);
    });
  }
}

function layerBlob(row: RecordRow, blob: BlobForm, isPrimary: boolean): LayerBlob {
  const created = isPrimary ? { [Annotation.createdAt]: new Date(row.createdAt).toISOString() } : {};
  const annotations = { ...blob.annotations, [Annotation.uncompressed]: blob.diffId, ...created };
  return {
    record: row.id,
    diffId: blob.diffId,
    descriptor: { mediaType: blob.mediaType, digest: blob.digest, size: blob.size, annotations },
    sources: blob.sources,
    urls: isPrimary ? (blob.urls ?? []) : [],
    createdAt: row.createdAt,
    description: row.description,
  };
}

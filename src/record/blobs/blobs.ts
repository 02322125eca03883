import { availableParallelism } from "node:os";
import { Annotation } from "../../core/index.ts";
import type { ContentStore } from "../../content/index.ts";
import { type Bytes, Semaphore, inParallel } from "../../io/index.ts";
import type { Snapshotter } from "../../snapshot/index.ts";
import { seenArchive } from "./empty-archive.ts";
import { ESTARGZ_LABEL, archiveOf } from "./estargz.ts";
import { aboutRecord } from "../keys.ts";
import { layersOf, rowOf, settleChains } from "../layers.ts";
import { LeasedFlights } from "./leased-flights.ts";
import { compressionOf, isLost, replaceBlob } from "./lost-blob.ts";
import type { Snapshots } from "../snapshots/snapshots.ts";
import type { RecordTable } from "../table.ts";
import type { BlobFace, BlobOptions, Hold, LayerBlob, RecordId, RecordRow } from "../types.ts";
import { addVariant, findVariant, needsConversion } from "./variants.ts";

export interface BlobDeps {
  readonly table: RecordTable;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly snapshots: Snapshots;
}

/**
 * The blob face of records: every layer's (diffID, blob) pair is computed once, parents in parallel, and written down with
 * the record: the first to do so wins, in whatever process.
 */
export class Blobs {
  readonly #deps: BlobDeps;
  readonly #flights: LeasedFlights<string, BlobFace>;
  /** The blobs of layers without entries, by compression. */
  readonly #empty = new Map<string, BlobFace>();
  readonly #cores = new Semaphore(availableParallelism());

  constructor(deps: BlobDeps) {
    this.#deps = deps;
    this.#flights = new LeasedFlights(deps.content);
  }

  /** The layers of a record as blobs, lowest first. A layer that was pulled lazily stays where it is. */
  async of(id: RecordId, options: BlobOptions, hold: Hold): Promise<LayerBlob[]> {
    const rows = layersOf(this.#deps.table, id);
    const faces = await inParallel(rows, hold.signal, (row, signal) => this.#face(row, options, { ...hold, signal }));
    settleChains(this.#deps.table, id);
    return rows.map((row, index) => this.#layerBlob(row, faces[index] as BlobFace));
  }

  /** As `of`, of blobs that exist; undefined if one would have to be made. */
  async existing(id: RecordId, options: BlobOptions, hold: Hold): Promise<LayerBlob[] | undefined> {
    const rows = layersOf(this.#deps.table, id);
    const faces = await Promise.all(rows.map((row) => this.#existingFace(row, options, hold)));
    if (faces.includes(undefined)) return undefined;
    return rows.map((row, index) => this.#layerBlob(row, faces[index] as BlobFace));
  }

  async #existingFace(row: RecordRow, options: BlobOptions, hold: Hold): Promise<BlobFace | undefined> {
    const { compression = "gzip", force = false } = options;
    const primary = isLost(row, this.#deps) ? undefined : row.blob;
    if (primary === undefined) return undefined;
    if (!force || !(await needsConversion(primary, compression, this.#deps, hold))) return this.#held(primary, hold);
    return this.#kept(await findVariant(row.id, primary, compression, { deps: this.#deps, hold }), hold);
  }

  #layerBlob(row: RecordRow, face: BlobFace): LayerBlob {
    return layerBlob(row, face, this.#deps.table.get(row.id)?.blob?.digest === face.digest);
  }

  /** The lease keeps a blob that is here; one that is elsewhere needs nobody. */
  #held(face: BlobFace, { lease }: Hold): BlobFace {
    if (this.#deps.content.info(face.digest) !== undefined) lease.add("blob", face.digest);
    return face;
  }

  /** One layer that turns `lower` into `upper`, whatever their layers are. */
  async between(lower: RecordId, upper: RecordId, hold: Hold): Promise<BlobFace> {
    using _core = await this.#cores.acquire(hold.signal);
    await using below = await this.#deps.snapshots.mount(lower, hold);
    await using above = await this.#deps.snapshots.mount(upper, hold);
    const { diffTrees } = await import("../../layer/index.ts");
    return await this.#store(diffTrees({ lower: below.path, upper: above.path, signal: hold.signal }), {}, hold);
  }

  async #face(row: RecordRow, options: BlobOptions, hold: Hold): Promise<BlobFace> {
    const known = row.blob !== undefined && !isLost(row, this.#deps) ? row.blob : undefined;
    const primary = known ?? (await this.#flights.run(row.id, (held) => this.#compute(row.id, options, held), hold));
    return this.#held(options.force === true ? await this.#converted(row, primary, options, hold) : primary, hold);
  }

  async #compute(id: RecordId, options: BlobOptions, hold: Hold): Promise<BlobFace> {
    using _core = await this.#cores.acquire(hold.signal);
    const row = rowOf(this.#deps.table, id);
    const { blob } = row;
    if (blob !== undefined && !isLost(row, this.#deps)) return blob;
    const how = blob === undefined ? options : { compression: compressionOf(blob) };
    const make = (): Promise<BlobFace> => this.#withDiff(row, hold, (tar) => this.#store(tar, how, hold));
    const face = await aboutRecord(row, () => this.#deps.snapshots.reading(id, make));
    if (blob === undefined) this.#deps.table.setBlob(id, face);
    else replaceBlob(id, blob, face, this.#deps.table);
    return this.#deps.table.get(id)?.blob ?? face;
  }

  async #withDiff<T>(row: RecordRow, hold: Hold, use: (tar: Bytes) => Promise<T>): Promise<T> {
    const { snapshots, snapshotter } = this.#deps;
    const name = await snapshots.of(row.id, hold);
    await using lower = row.parents[0] === undefined ? undefined : await snapshots.mount(row.parents[0], hold);
    const { diffOverlay, diffTrees } = await import("../../layer/index.ts");
    const upper = name === undefined ? undefined : snapshotter.upperDir(name);
    if (upper !== undefined) return await use(diffOverlay({ upper, lower: lower?.path, signal: hold.signal }));
    await using tree = await snapshots.mount(row.id, hold);
    return await use(diffTrees({ lower: lower?.path, upper: tree.path, signal: hold.signal }));
  }

  async #store(tar: Bytes, options: BlobOptions, hold: Hold): Promise<BlobFace> {
    const { createLayer } = await import("../../layer/index.ts");
    const { compression = "gzip", level } = options;
    await using seen = await seenArchive(tar);
    const kind = `${compression} ${level ?? ""}`;
    const known = seen.empty ? this.#kept(this.#empty.get(kind), hold) : undefined;
    if (known !== undefined) return known;
    const layer = createLayer(seen.tar, { compression, level });
    const info = await this.#deps.content.put(layer.bytes, { lease: hold.lease, signal: hold.signal });
    const { diffId, mediaType, annotations } = await layer.result;
    const verdict = String(compression === "estargz");
    this.#deps.content.label(info.digest, { [Annotation.uncompressed]: diffId, [ESTARGZ_LABEL]: verdict });
    const face = { digest: info.digest, size: info.size, diffId, mediaType, sources: [], annotations };
    if (seen.empty) this.#empty.set(kind, face);
    return face;
  }

  /** A blob that was made before, if it is still there; the lease keeps it from now on. */
  #kept(face: BlobFace | undefined, { lease }: Hold): BlobFace | undefined {
    return this.#deps.table.transaction(() => {
      if (face === undefined || this.#deps.content.info(face.digest) === undefined) return undefined;
      lease.add("blob", face.digest);
      return face;
    });
  }

  /** The blob as wanted: itself, a variant that was made before, or one that is made now, for whoever asks meanwhile. */
  async #converted(row: RecordRow, primary: BlobFace, options: BlobOptions, hold: Hold): Promise<BlobFace> {
    const wanted = options.compression ?? "gzip";
    return await this.#flights.run(
      `${row.id} ${wanted}`,
      async (held) => {
        if (!(await needsConversion(primary, wanted, this.#deps, held))) return primary;
        const known = await findVariant(row.id, primary, wanted, { deps: this.#deps, hold: held });
        const variant = this.#kept(known, held) ?? (await this.#convert(primary, options, held));
        addVariant(row.id, primary, variant, this.#deps);
        return variant;
      },
      hold,
    );
  }

  async #convert(primary: BlobFace, options: BlobOptions, hold: Hold): Promise<BlobFace> {
    return await this.#deps.snapshots.readingBlob(primary, hold, async () => {
      using _core = await this.#cores.acquire(hold.signal);
      return await this.#store(archiveOf(this.#deps.content, primary.digest, hold.signal), options, hold);
    });
  }
}

function layerBlob(row: RecordRow, face: BlobFace, isPrimary: boolean): LayerBlob {
  const created = isPrimary ? { [Annotation.createdAt]: new Date(row.createdAt).toISOString() } : {};
  const annotations = { ...face.annotations, [Annotation.uncompressed]: face.diffId, ...created };
  return {
    record: row.id,
    diffId: face.diffId,
    descriptor: { mediaType: face.mediaType, digest: face.digest, size: face.size, annotations },
    sources: face.sources,
    createdAt: row.createdAt,
    description: row.description,
  };
}

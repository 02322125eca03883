import { availableParallelism } from "node:os";
import { Annotation, layerCompression } from "../core/index.ts";
import type { ContentStore } from "../content/index.ts";
import { type Bytes, Semaphore, SingleFlight, decompress } from "../io/index.ts";
import type { Snapshotter } from "../snapshot/index.ts";
import { seenArchive } from "./empty-archive.ts";
import { layersOf, settleChains } from "./layers.ts";
import type { Snapshots } from "./snapshots.ts";
import type { RecordTable } from "./table.ts";
import type { BlobFace, BlobOptions, Hold, LayerBlob, RecordId, RecordRow } from "./types.ts";

export interface BlobDeps {
  readonly table: RecordTable;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly snapshots: Snapshots;
}

/** The blob face of records: every layer's (diffID, blob) pair is computed once, parents in parallel. */
export class Blobs {
  readonly #deps: BlobDeps;
  readonly #flights = new SingleFlight<string, BlobFace>();
  /** The blobs of layers without entries, by compression. */
  readonly #empty = new Map<string, BlobFace>();
  readonly #cores = new Semaphore(availableParallelism());

  constructor(deps: BlobDeps) {
    this.#deps = deps;
  }

  /** The layers of a record as blobs, lowest first. A layer that was pulled lazily stays where it is. */
  async of(id: RecordId, options: BlobOptions, hold: Hold): Promise<LayerBlob[]> {
    const rows = layersOf(this.#deps.table, id);
    const faces = await Promise.all(rows.map((row) => this.#face(row, options, hold)));
    settleChains(this.#deps.table, id);
    return rows.map((row, index) => layerBlob(row, faces[index] as BlobFace));
  }

  /** One layer that turns `lower` into `upper`, whatever their layers are. */
  async between(lower: RecordId, upper: RecordId, hold: Hold): Promise<BlobFace> {
    using _core = await this.#cores.acquire(hold.signal);
    await using below = await this.#deps.snapshots.mount(lower, hold);
    await using above = await this.#deps.snapshots.mount(upper, hold);
    const { diffTrees } = await import("../layer/index.ts");
    return await this.#store(diffTrees({ lower: below.path, upper: above.path, signal: hold.signal }), {}, hold);
  }

  async #face(row: RecordRow, options: BlobOptions, hold: Hold): Promise<BlobFace> {
    const primary =
      row.blob ??
      (await this.#flights.run(row.id, (signal) => this.#compute(row, options, { ...hold, signal }), hold.signal));
    const wanted = options.compression ?? "gzip";
    const face =
      options.force === true && layerCompression(primary.mediaType) !== wanted
        ? await this.#convert(row, primary, options, hold)
        : primary;
    if (this.#deps.content.info(face.digest) !== undefined) hold.lease.add("blob", face.digest);
    return face;
  }

  async #compute(row: RecordRow, options: BlobOptions, hold: Hold): Promise<BlobFace> {
    const again = this.#deps.table.get(row.id)?.blob;
    if (again !== undefined) return again;
    using _core = await this.#cores.acquire(hold.signal);
    const face = await this.#withDiff(row, hold, (tar) => this.#store(tar, options, hold));
    this.#deps.table.setBlob(row.id, face);
    return this.#deps.table.get(row.id)?.blob ?? face;
  }

  async #withDiff<T>(row: RecordRow, hold: Hold, use: (tar: Bytes) => Promise<T>): Promise<T> {
    const { snapshots, snapshotter } = this.#deps;
    const name = await snapshots.of(row.id, hold);
    await using lower = row.parents[0] === undefined ? undefined : await snapshots.mount(row.parents[0], hold);
    const { diffOverlay, diffTrees } = await import("../layer/index.ts");
    const upper = name === undefined ? undefined : snapshotter.upperDir(name);
    if (upper !== undefined) return await use(diffOverlay({ upper, lower: lower?.path, signal: hold.signal }));
    await using tree = await snapshots.mount(row.id, hold);
    return await use(diffTrees({ lower: lower?.path, upper: tree.path, signal: hold.signal }));
  }

  async #store(tar: Bytes, options: BlobOptions, hold: Hold): Promise<BlobFace> {
    const { createLayer } = await import("../layer/index.ts");
    const { compression = "gzip", level } = options;
    await using seen = await seenArchive(tar);
    const kind = `${compression} ${level ?? ""}`;
    const known = seen.empty ? this.#kept(this.#empty.get(kind), hold) : undefined;
    if (known !== undefined) return known;
    const layer = createLayer(seen.tar, { compression, ...(level === undefined ? {} : { level }) });
    const info = await this.#deps.content.put(layer.bytes, { lease: hold.lease, signal: hold.signal });
    const { diffId, mediaType } = await layer.result;
    this.#deps.content.label(info.digest, { [Annotation.uncompressed]: diffId });
    const face = { digest: info.digest, size: info.size, diffId, mediaType, sources: [], annotations: {} };
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

  async #convert(row: RecordRow, primary: BlobFace, options: BlobOptions, hold: Hold): Promise<BlobFace> {
    const wanted = options.compression ?? "gzip";
    const known = this.#deps.table.variants(row.id).find((variant) => layerCompression(variant.mediaType) === wanted);
    if (known !== undefined && this.#deps.content.info(known.digest) !== undefined) return known;
    return await this.#flights.run(
      `${row.id} ${wanted}`,
      async (signal) => {
        const held = { ...hold, signal };
        await this.#deps.snapshots.fetch(primary, held);
        using _core = await this.#cores.acquire(signal);
        const tar = decompress(this.#deps.content.open(primary.digest, { signal }), {
          format: "detect",
          what: `layer ${primary.digest}`,
        });
        const face = await this.#store(tar, options, held);
        this.#deps.table.addVariant(row.id, face);
        return face;
      },
      hold.signal,
    );
  }
}

function layerBlob(row: RecordRow, face: BlobFace): LayerBlob {
  const created = new Date(row.createdAt).toISOString();
  const annotations = { ...face.annotations, [Annotation.uncompressed]: face.diffId, [Annotation.createdAt]: created };
  return {
    record: row.id,
    diffId: face.diffId,
    descriptor: { mediaType: face.mediaType, digest: face.digest, size: face.size, annotations },
    sources: face.sources,
    createdAt: row.createdAt,
    description: row.description,
  };
}

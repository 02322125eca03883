import { existsSync } from "node:fs";
import { VarveError, isVarveError } from "../../core/index.ts";
import { isLostBlob } from "../../content/index.ts";
import type { MountedTree } from "../../snapshot/index.ts";
import { inParallel } from "../../io/index.ts";
import { type Download, Downloads } from "../blobs/downloads.ts";
import { withRecordInError, temporaryKey } from "../keys.ts";
import { layersOf, rowOf } from "../layers.ts";
import { LeasedSingleFlight } from "../blobs/leased-single-flight.ts";
import { unrecoverableBlob } from "../blobs/lost-blob.ts";
import { Merges } from "./merges.ts";
import type { SnapshotDeps } from "./deps.ts";
import { type BlobForm, type Hold, type RecordId, type RecordRow, SCRATCH } from "../types.ts";
import { type UnpackTarget, unpackBlob } from "./unpack.ts";

/** The snapshot form of layers: fetches and unpacks blobs, and merges snapshots. Concurrent callers share the work. */
export class Snapshots {
  readonly #deps: SnapshotDeps;
  readonly #downloads: Downloads;
  /** Calls of `of`. Each one downloads all missing blobs, and creates all snapshots from the lowest to the topmost. */
  readonly #calls: LeasedSingleFlight<RecordId, string>;
  /** The creation of single snapshots. */
  readonly #creations: LeasedSingleFlight<RecordId, string>;
  readonly #merges: Merges;

  constructor(deps: SnapshotDeps) {
    this.#deps = deps;
    this.#downloads = new Downloads(deps);
    this.#calls = new LeasedSingleFlight(deps.content);
    this.#creations = new LeasedSingleFlight(deps.content);
    this.#merges = new Merges(deps, {
      of: (id, hold) => this.of(id, hold),
      mount: (id, hold) => this.mount(id, hold),
      withBlob: (blob, hold, work) => this.withBlob(blob, hold, work),
      usableName: (name) => this.#usableName(name),
      unpack: (blob, target, hold) => this.#unpackStored(blob, target, hold),
    });
  }

  /**
   * Returns the name of a record's committed snapshot. Creates the snapshot if the record has none: downloads all missing blobs
   * in parallel, and unpacks each one as soon as the snapshot below it exists. Undefined for scratch.
   */
  async of(id: RecordId, hold: Hold): Promise<string | undefined> {
    if (id === SCRATCH) return undefined;
    const create = async (shared: Hold): Promise<string> => {
      let created = "";
      const tasks: ((task: Hold) => Promise<void>)[] = [
        async (task) => {
          created = await this.#createOnce(id, task);
        },
      ];
      for (const [row, blob] of this.#layersToUnpack(id))
        tasks.push((task) => withRecordInError(row, () => this.#downloads.fetch(blob, task)));
      await inParallel(tasks, shared.signal, (task, signal) => task({ ...shared, signal }));
      return created;
    };
    const name = this.#existing(rowOf(this.#deps.table, id)) ?? (await this.#calls.run(id, create, hold));
    hold.lease.add("snapshot", name);
    return name;
  }

  /** Mounts the tree of a record read-only. */
  async mount(id: RecordId, hold: Hold): Promise<MountedTree> {
    const { snapshotter, mounts } = this.#deps;
    return await this.withSnapshot(id, async () => {
      const name = await this.of(id, hold);
      return name === undefined ? await this.#mountScratch(hold) : await mounts.mount(await snapshotter.mounts(name));
    });
  }

  /**
   * Runs `work`, which uses the snapshot of a record. If it fails and directories of the snapshot are missing, removes the
   * damaged snapshots from their records and retries once, which creates them again from their blobs.
   */
  async withSnapshot<T>(id: RecordId, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isVarveError(error, "cancelled") || id === SCRATCH || !(await this.#forgetDamaged(id))) throw error;
      return await work();
    }
  }

  /** Fetches a blob unless it is in the content store. */
  async fetch(blob: BlobForm, hold: Hold): Promise<void> {
    await this.#downloads.fetch(blob, hold);
  }

  /**
   * Runs `work`, which reads a blob from the content store, after fetching the blob if necessary. If `work` fails and the blob
   * is damaged, fetches the blob again and retries once.
   * @throws {VarveError} `storage` if a damaged blob cannot be fetched again; `damagedBlobOf` recognises this error.
   */
  async withBlob<T>(blob: BlobForm, hold: Hold, work: () => Promise<T>): Promise<T> {
    await this.fetch(blob, hold);
    try {
      return await work();
    } catch (error) {
      if (isVarveError(error, "cancelled", "storage") && !isLostBlob(error)) throw error;
      if ((await this.#deps.content.check(blob.digest, hold)) !== undefined) throw error;
    }
    try {
      await this.fetch(blob, hold);
    } catch (error) {
      throw isVarveError(error, "cancelled") ? error : unrecoverableBlob(blob, error);
    }
    return await work();
  }

  async #mountScratch(hold: Hold): Promise<MountedTree> {
    const { snapshotter, mounts } = this.#deps;
    const key = temporaryKey("view");
    const tree = await mounts.mount(await snapshotter.view(key, undefined, hold));
    return {
      path: tree.path,
      [Symbol.asyncDispose]: async () => {
        await tree[Symbol.asyncDispose]();
        await snapshotter.remove(key);
      },
    };
  }

  /** Like `of`, but leaves it to the unpacking of each layer to start its download. */
  async #createOnce(id: RecordId, hold: Hold): Promise<string> {
    const row = rowOf(this.#deps.table, id);
    const name = this.#existing(row) ?? (await this.#creations.run(id, (shared) => this.#create(row, shared), hold));
    hold.lease.add("snapshot", name);
    return name;
  }

  /** Returns the records whose blobs are not unpacked yet, lowest first. Callers fetch the blobs in this order. */
  #layersToUnpack(id: RecordId): (readonly [RecordRow, BlobForm])[] {
    const { table, snapshotter } = this.#deps;
    const blobs: [RecordRow, BlobForm][] = [];
    for (
      let row = table.get(id);
      row?.kind === "layer" && row.blob !== undefined;
      row = table.get(row.parents[0] ?? "")
    ) {
      const sameContent = row.chainId === undefined ? undefined : snapshotter.stat(row.chainId);
      if (this.#existing(row) !== undefined || sameContent !== undefined) break;
      blobs.unshift([row, row.blob]);
    }
    return blobs;
  }

  #existing({ snapshot }: RecordRow): string | undefined {
    return snapshot !== undefined && this.#deps.snapshotter.stat(snapshot) !== undefined ? snapshot : undefined;
  }

  /** Removes from their records all snapshots below a record that lack a directory. Returns whether there were any. */
  async #forgetDamaged(id: RecordId): Promise<boolean> {
    const { table } = this.#deps;
    const damaged: RecordRow[] = [];
    for (const row of [...layersOf(table, id), rowOf(table, id)]) {
      const name = this.#existing(row);
      if (name !== undefined && !(await this.#hasAllDirectories(name))) damaged.push(row);
    }
    for (const row of damaged) table.forgetSnapshot(row.id);
    return damaged.length > 0;
  }

  async #hasAllDirectories(name: string): Promise<boolean> {
    const spec = await this.#deps.snapshotter.mounts(name);
    return (spec.kind === "bind" ? [spec.source] : spec.lower).every((path) => existsSync(path));
  }

  /** Returns the given name, and whether a snapshot with this name exists. If that snapshot is damaged, returns a new name. */
  async #usableName(name: string): Promise<{ name: string; exists: boolean }> {
    if (this.#deps.snapshotter.stat(name) === undefined) return { name, exists: false };
    if (await this.#hasAllDirectories(name)) return { name, exists: true };
    return { name: temporaryKey(name), exists: false };
  }

  async #create(row: RecordRow, hold: Hold): Promise<string> {
    return await withRecordInError(row, async () => {
      const name = row.kind === "merge" ? await this.#merges.create(row, hold) : await this.#unpack(row, hold);
      this.#deps.table.setSnapshot(row.id, name);
      return name;
    });
  }

  async #unpack(row: RecordRow, hold: Hold): Promise<string> {
    const { blob } = row;
    if (blob === undefined)
      throw new VarveError("not-found", `Cannot use record ${row.id}: it has neither a snapshot nor a blob`);
    const { name, exists } = await this.#usableName(row.chainId ?? `layer-${row.id}`);
    if (exists) return name;
    await using download = this.#downloads.begin(blob, hold);
    const below = row.parents[0] ?? SCRATCH;
    const parent = below === SCRATCH ? undefined : await this.#createOnce(below, hold);
    await this.#unpackDownload(download, blob, { name, parent }, hold);
    return name;
  }

  /**
   * Unpacks a blob while it is downloaded. If that fails but the download completes, unpacks the blob again from the store: the
   * first bytes may have been those of a bad mirror.
   */
  async #unpackDownload(download: Download, blob: BlobForm, target: UnpackTarget, hold: Hold): Promise<void> {
    try {
      await unpackBlob(blob, download.bytes(), target, { deps: this.#deps, hold });
    } catch (error) {
      if (isVarveError(error, "cancelled")) throw error;
      await download.completed;
      await this.#unpackStored(blob, target, hold);
    }
  }

  async #unpackStored(blob: BlobForm, target: UnpackTarget, hold: Hold): Promise<void> {
    await this.withBlob(blob, hold, async () => {
      const bytes = this.#deps.content.open(blob.digest, { signal: hold.signal });
      await unpackBlob(blob, bytes, target, { deps: this.#deps, hold });
    });
  }
}

import { existsSync } from "node:fs";
import { VarveError, isVarveError } from "../../core/index.ts";
import { type ContentStore, isLostBlob } from "../../content/index.ts";
import type { MountedTree, Snapshotter } from "../../snapshot/index.ts";
import { inParallel } from "../../io/index.ts";
import { type Arrival, Arrivals } from "../blobs/arrivals.ts";
import { aboutRecord, commitUnlessThere, temporaryKey } from "../keys.ts";
import { layersOf, rowOf } from "../layers.ts";
import { LeasedFlights } from "../blobs/leased-flights.ts";
import { unmendable } from "../blobs/lost-blob.ts";
import type { MountPoints } from "./mount-points.ts";
import type { RecordTable } from "../table.ts";
import { type BlobFace, type FetchBlob, type Hold, type RecordId, type RecordRow, SCRATCH } from "../types.ts";
import { type UnpackTarget, hasWhiteouts, unpackBlob } from "./unpack.ts";

export interface SnapshotDeps {
  readonly table: RecordTable;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly fetchBlob: FetchBlob;
  readonly mounts: MountPoints;
}

/** Says of a blob whether it deletes anything of what it is put upon. */
const WHITEOUTS = "varve/whiteouts";

/** The snapshot face of records: fetches blobs, unpacks and stacks them, once for each record however many ask. */
export class Snapshots {
  readonly #deps: SnapshotDeps;
  readonly #arrivals: Arrivals;
  /** What was asked for, and the snapshots that this takes. */
  readonly #asked: LeasedFlights<RecordId, string>;
  readonly #made: LeasedFlights<RecordId, string>;

  constructor(deps: SnapshotDeps) {
    this.#deps = deps;
    this.#arrivals = new Arrivals(deps);
    this.#asked = new LeasedFlights(deps.content);
    this.#made = new LeasedFlights(deps.content);
  }

  /** The committed snapshot of a record, made now if it has none. Undefined for scratch. */
  async of(id: RecordId, hold: Hold): Promise<string | undefined> {
    if (id === SCRATCH) return undefined;
    const make = async (held: Hold): Promise<string> => {
      const downloads = this.#missing(id).map(
        ([row, blob]) =>
          (each: Hold): Promise<unknown> =>
            aboutRecord(row, () => this.#arrivals.fetch(blob, each)),
      );
      const all = [(each: Hold): Promise<unknown> => this.#have(id, each), ...downloads];
      const [made] = await inParallel(all, held.signal, (work, signal) => work({ ...held, signal }));
      return made as string;
    };
    const name = this.#ready(rowOf(this.#deps.table, id)) ?? (await this.#asked.run(id, make, hold));
    hold.lease.add("snapshot", name);
    return name;
  }

  /** A read-only view of a record's tree. */
  async mount(id: RecordId, hold: Hold): Promise<MountedTree> {
    const { snapshotter, mounts } = this.#deps;
    return await this.reading(id, async () => {
      const name = await this.of(id, hold);
      return name === undefined ? await this.#mountScratch(hold) : await mounts.mount(await snapshotter.mounts(name));
    });
  }

  /**
   * Does something with a record's snapshot. If that fails because directories of it are gone, whatever became of them, the
   * snapshots are made anew of their blobs and it is tried again; what cannot be made fails with the record's id in the
   * error's details, so that a build can do without the record.
   */
  async reading<T>(id: RecordId, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isVarveError(error, "cancelled") || id === SCRATCH || !(await this.#forgetDamaged(id))) throw error;
      return await work();
    }
  }

  /** Has the blob's bytes in the content store, fetching them from where they are if need be. */
  async fetch(blob: BlobFace, hold: Hold): Promise<void> {
    await this.#arrivals.fetch(blob, hold);
  }

  /**
   * Does something with a blob's bytes in the content store, fetching them if need be. If it fails because they are damaged, they
   * are fetched anew and it is tried again; where that cannot be, `damagedBlobOf` tells the error.
   */
  async readingBlob<T>(blob: BlobFace, hold: Hold, work: () => Promise<T>): Promise<T> {
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
      throw isVarveError(error, "cancelled") ? error : unmendable(blob, error);
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

  /** As `of`, for one snapshot of those that were asked for. */
  async #have(id: RecordId, hold: Hold): Promise<string> {
    const row = rowOf(this.#deps.table, id);
    const name = this.#ready(row) ?? (await this.#made.run(id, (held) => this.#tryMake(row, held), hold));
    hold.lease.add("snapshot", name);
    return name;
  }

  /** The records and blobs that a layer still has to be unpacked of, lowest first: so they are wanted, and had best come. */
  #missing(id: RecordId): (readonly [RecordRow, BlobFace])[] {
    const { table, snapshotter } = this.#deps;
    const blobs: [RecordRow, BlobFace][] = [];
    for (
      let row = table.get(id);
      row?.kind === "layer" && row.blob !== undefined;
      row = table.get(row.parents[0] ?? "")
    ) {
      if (this.#ready(row) !== undefined || (row.chainId !== undefined && snapshotter.stat(row.chainId) !== undefined))
        break;
      blobs.unshift([row, row.blob]);
    }
    return blobs;
  }

  #ready({ snapshot }: RecordRow): string | undefined {
    return snapshot !== undefined && this.#deps.snapshotter.stat(snapshot) !== undefined ? snapshot : undefined;
  }

  /** Lets go of all snapshots of a record that miss a directory, their own or one below. Returns whether there were any. */
  async #forgetDamaged(id: RecordId): Promise<boolean> {
    const { table } = this.#deps;
    const damaged: RecordRow[] = [];
    for (const row of [...layersOf(table, id), rowOf(table, id)]) {
      const name = this.#ready(row);
      if (name !== undefined && !(await this.#isWhole(name))) damaged.push(row);
    }
    for (const row of damaged) table.forgetSnapshot(row.id);
    return damaged.length > 0;
  }

  async #isWhole(name: string): Promise<boolean> {
    const spec = await this.#deps.snapshotter.mounts(name);
    return (spec.kind === "bind" ? [spec.source] : spec.lower).every((path) => existsSync(path));
  }

  /** A name for a snapshot: the given one, unless that of a damaged one. */
  async #freeName(name: string): Promise<{ name: string; exists: boolean }> {
    if (this.#deps.snapshotter.stat(name) === undefined) return { name, exists: false };
    return (await this.#isWhole(name)) ? { name, exists: true } : { name: temporaryKey(name), exists: false };
  }

  async #tryMake(row: RecordRow, hold: Hold): Promise<string> {
    return await aboutRecord(row, async () => {
      const name = row.kind === "merge" ? await this.#stack(row, hold) : await this.#unpack(row, hold);
      this.#deps.table.setSnapshot(row.id, name);
      return name;
    });
  }

  async #stack(row: RecordRow, hold: Hold): Promise<string> {
    const parts = await inParallel([...row.parents.entries()], hold.signal, ([index, id], signal) =>
      index === 0 ? this.of(id, { ...hold, signal }) : this.#part(id, { ...hold, signal }),
    );
    const parents = parts.filter((name) => name !== undefined);
    const { name, exists } = await this.#freeName(`merge-${row.id}`);
    if (!exists) await commitUnlessThere(this.#deps.snapshotter.merge(name, parents, hold));
    return name;
  }

  /** A record's snapshot for a stack. What a layer on nothing deletes counts there: it has a form that keeps it. */
  async #part(id: RecordId, hold: Hold): Promise<string | undefined> {
    const row = rowOf(this.#deps.table, id);
    const { blob } = row;
    if (!this.#deps.snapshotter.stacksMerges || row.kind !== "layer" || row.parents.length > 0)
      return await this.of(id, hold);
    if (blob === undefined || !(await this.#deletes(blob, hold))) return await this.of(id, hold);
    const { name, exists } = await this.#freeName(`deletions-${blob.diffId}`);
    if (exists) hold.lease.add("snapshot", name);
    else await this.#unpackStored(blob, { name, parent: undefined, deletions: true }, hold);
    return name;
  }

  async #deletes(blob: BlobFace, hold: Hold): Promise<boolean> {
    const { content } = this.#deps;
    const known = content.info(blob.digest)?.labels.get(WHITEOUTS);
    if (known !== undefined) return known === "true";
    const found = await this.readingBlob(blob, hold, () => hasWhiteouts(blob, content, hold.signal));
    content.label(blob.digest, { [WHITEOUTS]: String(found) });
    return found;
  }

  async #unpack(row: RecordRow, hold: Hold): Promise<string> {
    const { blob } = row;
    if (blob === undefined)
      throw new VarveError("not-found", `Cannot use record ${row.id}: it has neither a snapshot nor a blob`);
    const { name, exists } = await this.#freeName(row.chainId ?? `layer-${row.id}`);
    if (exists) return name;
    await using arrival = this.#arrivals.begin(blob, hold);
    const below = row.parents[0] ?? SCRATCH;
    const parent = below === SCRATCH ? undefined : await this.#have(below, hold);
    await this.#unpackArrival(arrival, blob, { name, parent }, hold);
    return name;
  }

  /** Unpacks a blob while it comes; once more, if it came although that failed: what came first, or was here, may be wrong. */
  async #unpackArrival(arrival: Arrival, blob: BlobFace, target: UnpackTarget, hold: Hold): Promise<void> {
    try {
      await unpackBlob(blob, arrival.bytes(), target, { deps: this.#deps, hold });
    } catch (error) {
      if (isVarveError(error, "cancelled")) throw error;
      await arrival.whole;
      await this.#unpackStored(blob, target, hold);
    }
  }

  async #unpackStored(blob: BlobFace, target: UnpackTarget, hold: Hold): Promise<void> {
    await this.readingBlob(blob, hold, async () => {
      const bytes = this.#deps.content.open(blob.digest, { signal: hold.signal });
      await unpackBlob(blob, bytes, target, { deps: this.#deps, hold });
    });
  }
}

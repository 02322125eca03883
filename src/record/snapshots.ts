import { randomBytes } from "node:crypto";
import { Annotation, Limits, VarveError, isVarveError } from "../core/index.ts";
import type { ContentStore } from "../content/index.ts";
import { SingleFlight, decompress, verified } from "../io/index.ts";
import { type MountedTree, type Snapshotter, mountSnapshot } from "../snapshot/index.ts";
import { rowOf } from "./layers.ts";
import type { RecordTable } from "./table.ts";
import type { BlobFace, FetchBlob, Hold, RecordId, RecordRow } from "./types.ts";

export interface SnapshotDeps {
  readonly table: RecordTable;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly fetchBlob: FetchBlob;
}

/** The snapshot face of records: fetches blobs, unpacks and stacks them, once for each record however many ask. */
export class Snapshots {
  readonly #deps: SnapshotDeps;
  readonly #flights = new SingleFlight<RecordId, string>();
  readonly #fetches = new SingleFlight<string, void>();

  constructor(deps: SnapshotDeps) {
    this.#deps = deps;
  }

  /** The committed snapshot of a record, made now if it has none. Undefined for scratch. */
  async of(id: RecordId, hold: Hold): Promise<string | undefined> {
    if (id === "") return undefined;
    const row = rowOf(this.#deps.table, id);
    const ready = this.#ready(row);
    const name =
      ready ?? (await this.#flights.run(id, (signal) => this.#tryMake(row, { ...hold, signal }), hold.signal));
    hold.lease.add("snapshot", name);
    return name;
  }

  /** A read-only view of a record's tree. */
  async mount(id: RecordId, hold: Hold): Promise<MountedTree> {
    const { snapshotter } = this.#deps;
    const name = await this.of(id, hold);
    if (name !== undefined) return await mountSnapshot(await snapshotter.mounts(name));
    const key = temporaryKey("view");
    const tree = await mountSnapshot(await snapshotter.view(key, undefined, hold));
    return {
      path: tree.path,
      [Symbol.asyncDispose]: async () => {
        await tree[Symbol.asyncDispose]();
        await snapshotter.remove(key);
      },
    };
  }

  /** Has the blob's bytes in the content store, fetching them from where they are if need be. */
  async fetch(blob: BlobFace, hold: Hold): Promise<void> {
    const { content } = this.#deps;
    if (content.info(blob.digest) === undefined) {
      await this.#fetches.run(blob.digest, (signal) => this.#download(blob, { ...hold, signal }), hold.signal);
    }
    hold.lease.add("blob", blob.digest);
  }

  #ready(row: RecordRow): string | undefined {
    return row.snapshot !== undefined && this.#deps.snapshotter.stat(row.snapshot) !== undefined
      ? row.snapshot
      : undefined;
  }

  /** Says of a failure which record it is about, so that a build can do without that record. */
  async #tryMake(row: RecordRow, hold: Hold): Promise<string> {
    try {
      return await this.#make(row, hold);
    } catch (error) {
      if (!(error instanceof VarveError) || error.code === "cancelled" || error.details["record"] !== undefined)
        throw error;
      const options = { details: { ...error.details, record: row.id }, cause: error };
      throw new VarveError(
        error.code,
        error.message,
        error.hint === undefined ? options : { ...options, hint: error.hint },
      );
    }
  }

  async #make(row: RecordRow, hold: Hold): Promise<string> {
    const name = row.kind === "merge" ? await this.#stack(row, hold) : await this.#unpack(row, hold);
    this.#deps.table.setSnapshot(row.id, name);
    return name;
  }

  async #stack(row: RecordRow, hold: Hold): Promise<string> {
    const parents = await Promise.all(row.parents.map((parent) => this.of(parent, hold)));
    const name = `merge-${row.id}`;
    await unlessThere(
      this.#deps.snapshotter.merge(
        name,
        parents.filter((parent) => parent !== undefined),
        hold,
      ),
    );
    return name;
  }

  async #unpack(row: RecordRow, hold: Hold): Promise<string> {
    const { blob } = row;
    if (blob === undefined)
      throw new VarveError("not-found", `Cannot use record ${row.id}: it has neither a snapshot nor a blob`);
    const name = row.chainId ?? `layer-${row.id}`;
    const [parent] = await Promise.all([this.of(row.parents[0] ?? "", hold), this.fetch(blob, hold)]);
    if (this.#deps.snapshotter.stat(name) === undefined) await this.#apply(blob, name, parent, hold);
    return name;
  }

  async #apply(blob: BlobFace, name: string, parent: string | undefined, hold: Hold): Promise<void> {
    const { snapshotter, content } = this.#deps;
    const { applyLayer } = await import("../layer/index.ts");
    const key = temporaryKey("unpack");
    const spec = await snapshotter.prepare(key, parent, hold);
    try {
      const tar = decompress(content.open(blob.digest, { signal: hold.signal }), {
        format: "detect",
        what: `layer ${blob.digest}`,
        limit: Limits.layerUnpacked,
      });
      const checked = verified(tar, { digest: blob.diffId }, { what: `layer ${blob.digest}` });
      if (spec.kind === "overlay" && spec.upper !== undefined) {
        await using below = parent === undefined ? undefined : await mountSnapshot(await snapshotter.mounts(parent));
        await applyLayer(checked, spec.upper, { format: "overlay", lowerView: below?.path, signal: hold.signal });
      } else {
        await using tree = await mountSnapshot(spec);
        await applyLayer(checked, tree.path, { format: "plain", signal: hold.signal });
      }
      await unlessThere(snapshotter.commit(name, key, hold));
    } finally {
      if (snapshotter.stat(key) !== undefined) await snapshotter.remove(key);
    }
  }

  async #download(blob: BlobFace, hold: Hold): Promise<void> {
    const { content, fetchBlob } = this.#deps;
    if (blob.sources.length === 0) {
      throw new VarveError(
        "not-found",
        `Cannot fetch blob ${blob.digest}: it is not in the store and its source is not known`,
      );
    }
    await fetchBlob(blob, hold);
    content.label(blob.digest, { [Annotation.uncompressed]: blob.diffId });
  }
}

export function temporaryKey(purpose: string): string {
  return `${purpose}-${process.pid}-${randomBytes(8).toString("hex")}`;
}

/** Another process may have made the same snapshot meanwhile; its work is as good. */
async function unlessThere(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isVarveError(error, "already-exists")) throw error;
  }
}

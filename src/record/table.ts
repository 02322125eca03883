import { randomBytes } from "node:crypto";
import { type Digest, chainId, digestOf } from "../core/index.ts";
import {
  addEdge,
  contentTables,
  edgesFrom,
  edgesTo,
  leased,
  removeEdge,
  removeEdgesFrom,
  removeEdgesTo,
} from "../content/index.ts";
import type { Database } from "../state/index.ts";
import { recordTables } from "./schema.ts";
import { blobOf, fromRow, textOf } from "./row.ts";
import type { BlobFace, RecordId, RecordRow, RecordType } from "./types.ts";

/** A new record's id: 125 random bits in base 36, as BuildKit's. */
function newRecordId(): RecordId {
  return BigInt(`0x${randomBytes(16).toString("hex")}`)
    .toString(36)
    .padStart(25, "0")
    .slice(-25);
}

export interface NewRecord {
  readonly kind: RecordRow["kind"];
  readonly parents: readonly RecordId[];
  readonly type?: RecordType | undefined;
  readonly description?: string | undefined;
  readonly createdAt?: number | undefined;
  readonly snapshot?: string | undefined;
  readonly blob?: BlobFace | undefined;
}

/** Typed queries on the `record` table and the edges that keep what a record needs. */
export class RecordTable {
  readonly #state: Database;

  constructor(state: Database) {
    state.install(contentTables, recordTables);
    this.#state = state;
  }

  transaction<T>(work: () => T): T {
    return this.#state.transaction(work);
  }

  get(id: RecordId): RecordRow | undefined {
    return fromRow(this.#state.get("SELECT * FROM record WHERE id = ?", id));
  }

  all(): RecordRow[] {
    return this.#state.all("SELECT * FROM record ORDER BY created_at, id").flatMap((row) => fromRow(row) ?? []);
  }

  /** Ids of the records directly on top of this one. */
  children(id: RecordId): RecordId[] {
    return edgesTo(this.#state, { kind: "record", id }).flatMap((from) => (from.kind === "record" ? from.id : []));
  }

  byChain(chain: Digest): RecordRow | undefined {
    return fromRow(
      this.#state.get(
        "SELECT * FROM record WHERE chain_id = ? AND kind = 'layer' ORDER BY created_at DESC LIMIT 1",
        chain,
      ),
    );
  }

  byBlobChain(chain: Digest): RecordRow | undefined {
    return fromRow(this.#state.get("SELECT * FROM record WHERE blob_chain_id = ? AND kind = 'layer' LIMIT 1", chain));
  }

  insert(record: NewRecord): RecordRow {
    const id = newRecordId();
    const { kind, parents, type = "regular", description = "", createdAt = Date.now() } = record;
    this.transaction(() => {
      this.#state.run(
        "INSERT INTO record (id, kind, parents, type, description, created_at, usage_count) VALUES (?, ?, ?, ?, ?, ?, 0)",
        id,
        kind,
        JSON.stringify(parents),
        type,
        description,
        createdAt,
      );
      for (const parent of new Set(parents)) this.#edge(id, "record", parent);
      if (record.snapshot !== undefined) this.setSnapshot(id, record.snapshot);
      if (record.blob !== undefined) this.setBlob(id, record.blob);
    });
    const row = this.get(id);
    if (row === undefined) throw new Error(`record ${id} vanished`);
    return row;
  }

  /** blobChainID of a record whose blobs, down to the lowest, are known. */
  blobChain(id: RecordId): Digest | undefined {
    const row = this.#state.get("SELECT blob_chain_id FROM record WHERE id = ?", id);
    return textOf(row?.["blob_chain_id"]) as Digest | undefined;
  }

  setSnapshot(id: RecordId, snapshot: string): void {
    this.transaction(() => {
      this.#state.run("UPDATE record SET snapshot = ?, snapshot_bytes = NULL WHERE id = ?", snapshot, id);
      this.#edge(id, "snapshot", snapshot);
    });
  }

  /** Lets go of a snapshot that turned out to be damaged, so that another is made when somebody asks. */
  forgetSnapshot(id: RecordId): void {
    this.transaction(() => {
      this.#state.run("UPDATE record SET snapshot = NULL, snapshot_bytes = NULL WHERE id = ?", id);
      for (const to of edgesFrom(this.#state, { kind: "record", id }))
        if (to.kind === "snapshot") removeEdge(this.#state, { kind: "record", id }, to);
    });
  }

  setSnapshotBytes(id: RecordId, bytes: number): void {
    this.#state.note("UPDATE record SET snapshot_bytes = ? WHERE id = ?", bytes, id);
  }

  /** Gives a layer its blob face unless it has one: the first writer wins. Chain ids follow when the parent's are known. */
  setBlob(id: RecordId, blob: BlobFace): void {
    this.transaction(() => {
      const row = this.get(id);
      if (row === undefined || row.blob !== undefined) return;
      const chains = this.#chains(row.parents[0], blob);
      this.#state.run(
        "UPDATE record SET diff_id = ?, blob = ?, blob_size = ?, media_type = ?, sources = ?, annotations = ?, chain_id = ?, blob_chain_id = ? WHERE id = ?",
        blob.diffId,
        blob.digest,
        blob.size,
        blob.mediaType,
        JSON.stringify(blob.sources),
        JSON.stringify(blob.annotations),
        chains?.chain ?? null,
        chains?.blobChain ?? null,
        id,
      );
      this.#edge(id, "blob", blob.digest);
    });
  }

  /** Puts another blob of the same diffID in the place of one that was lost; false if the layer has another one by now. */
  changeBlob(id: RecordId, lost: Digest, blob: BlobFace): boolean {
    return this.transaction(() => {
      const { changes } = this.#state.run(
        "UPDATE record SET blob = ?, blob_size = ?, media_type = ?, sources = ?, annotations = ? WHERE id = ? AND blob = ?",
        blob.digest,
        blob.size,
        blob.mediaType,
        JSON.stringify(blob.sources),
        JSON.stringify(blob.annotations),
        id,
        lost,
      );
      if (changes === 0) return false;
      if (lost !== blob.digest) removeEdge(this.#state, { kind: "record", id }, { kind: "blob", id: lost });
      this.#edge(id, "blob", blob.digest);
      return true;
    });
  }

  /** The chain ids of a record whose layers, lowest first, are given; nothing while one of them has no blob. */
  setChains(id: RecordId, layers: readonly RecordRow[]): void {
    const blobs = layers.flatMap((layer) => layer.blob ?? []);
    if (blobs.length < layers.length) return;
    const chain = chainId(blobs.map((blob) => blob.diffId));
    const blobChain = chainId(blobs.map((blob) => digestOf(`${blob.digest} ${blob.diffId}`)));
    this.#state.run(
      "UPDATE record SET chain_id = ?, blob_chain_id = ? WHERE id = ?",
      chain ?? null,
      blobChain ?? null,
      id,
    );
  }

  addSources(id: RecordId, sources: readonly string[]): void {
    const row = this.get(id);
    if (row?.blob === undefined) return;
    const all = [...new Set([...row.blob.sources, ...sources])];
    if (all.length > row.blob.sources.length)
      this.#state.run("UPDATE record SET sources = ? WHERE id = ?", JSON.stringify(all), id);
  }

  variants(id: RecordId): BlobFace[] {
    const rows = this.#state.all("SELECT * FROM record_variant WHERE record = ?", id);
    return rows.flatMap((row) => blobOf({ ...row, sources: "[]", annotations: "{}" }) ?? []);
  }

  addVariant(id: RecordId, blob: BlobFace): void {
    this.transaction(() => {
      this.#state.run(
        "INSERT OR REPLACE INTO record_variant (record, blob, diff_id, blob_size, media_type) VALUES (?, ?, ?, ?, ?)",
        id,
        blob.digest,
        blob.diffId,
        blob.size,
        blob.mediaType,
      );
      this.#edge(id, "blob", blob.digest);
    });
  }

  /** Notes that the records were used now, once each. */
  used(ids: Iterable<RecordId>, at: number = Date.now()): void {
    this.transaction(() => {
      for (const id of ids)
        this.#state.run("UPDATE record SET last_used_at = ?, usage_count = usage_count + 1 WHERE id = ?", at, id);
    });
  }

  /** Records held by a lease that has not expired, and everything below them. */
  leased(now: number = Date.now()): Set<RecordId> {
    return leased(this.#state, "record", now);
  }

  /** Removes a record that nothing holds and that has no children; false if something does. */
  remove(id: RecordId): boolean {
    return this.#state.transaction(
      () => {
        if (this.children(id).length > 0 || this.leased().has(id)) return false;
        removeEdgesFrom(this.#state, { kind: "record", id });
        removeEdgesTo(this.#state, { kind: "record", id });
        this.#state.run("DELETE FROM record_variant WHERE record = ?", id);
        this.#state.run("DELETE FROM record WHERE id = ?", id);
        return true;
      },
      { frees: true },
    );
  }

  /** The mutable record known by this key: a cache mount's id and base. */
  byKey(key: string): RecordRow[] {
    return this.#state
      .all("SELECT * FROM record WHERE key = ? ORDER BY created_at", key)
      .flatMap((row) => fromRow(row) ?? []);
  }

  /** The mutable records of a cache mount's id, whatever they started from. */
  byMountId(mountId: string): RecordRow[] {
    return this.#state
      .all("SELECT * FROM record WHERE key = ?1 OR substr(key, 1, length(?1) + 1) = ?1 || ':'", mountId)
      .flatMap((row) => fromRow(row) ?? []);
  }

  /** A record without a key is found by nobody again. */
  setKey(id: RecordId, key: string | null): void {
    this.#state.run("UPDATE record SET key = ? WHERE id = ?", key, id);
  }

  #edge(id: RecordId, kind: "record" | "snapshot" | "blob", to: string): void {
    addEdge(this.#state, { kind: "record", id }, { kind, id: to });
  }

  #chains(parent: RecordId | undefined, blob: BlobFace): { chain: Digest; blobChain: Digest } | undefined {
    const own = digestOf(`${blob.digest} ${blob.diffId}`);
    if (parent === undefined) return { chain: blob.diffId, blobChain: own };
    const below = this.#state.get("SELECT chain_id, blob_chain_id FROM record WHERE id = ?", parent);
    const [chain, blobChain] = [below?.["chain_id"], below?.["blob_chain_id"]];
    if (typeof chain !== "string" || typeof blobChain !== "string") return undefined;
    return {
      chain: chainId([chain as Digest, blob.diffId]) ?? blob.diffId,
      blobChain: digestOf(`${blobChain} ${own}`),
    };
  }
}

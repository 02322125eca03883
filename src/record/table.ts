import { randomBytes } from "node:crypto";
import { type Digest, VarveError, chainId, digestOf } from "../core/index.ts";
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
import { blobOf, digestOf as digestIn, fromRow } from "./row.ts";
import type { BlobForm, RecordId, RecordRow, RecordType } from "./types.ts";

/** Returns a random id of 125 bits in base 36, the format of BuildKit's ids. */
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
  readonly blob?: BlobForm | undefined;
}

/** Typed queries on the `record` table and on the edges from records to what they keep alive. */
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

  /** Returns the ids of the records whose parent this record is. */
  children(id: RecordId): RecordId[] {
    return edgesTo(this.#state, { kind: "record", id }).flatMap((from) => (from.kind === "record" ? from.id : []));
  }

  /** Returns the newest layer with a chain id: the same content, possibly from other blobs. */
  byChain(chain: Digest): RecordRow | undefined {
    return fromRow(
      this.#state.get(
        "SELECT * FROM record WHERE chain_id = ? AND kind = 'layer' ORDER BY created_at DESC LIMIT 1",
        chain,
      ),
    );
  }

  /** Returns a layer with a blob chain id: the same content from the same blobs. */
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
    if (row === undefined) throw new VarveError("internal", `Cannot insert record ${id}: its row does not exist`);
    return row;
  }

  /** Returns the blob chain id of a record. Undefined unless the blobs of all its layers are known. */
  blobChain(id: RecordId): Digest | undefined {
    const row = this.#state.get("SELECT blob_chain_id FROM record WHERE id = ?", id);
    return digestIn(row?.["blob_chain_id"]);
  }

  setSnapshot(id: RecordId, snapshot: string): void {
    this.transaction(() => {
      this.#state.run("UPDATE record SET snapshot = ?, snapshot_bytes = NULL WHERE id = ?", snapshot, id);
      this.#edge(id, "snapshot", snapshot);
    });
  }

  /** Removes the snapshot of a record, which is damaged, from the record. It is created again on demand. */
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

  /** Sets the blob of a layer unless it has one. Also sets its chain ids if those of the parent are known. */
  setBlob(id: RecordId, blob: BlobForm): void {
    this.transaction(() => {
      const row = this.get(id);
      if (row === undefined || row.blob !== undefined) return;
      const chains = this.#chains(row.parents[0], blob);
      this.#state.run(
        "UPDATE record SET diff_id = ?, blob = ?, blob_size = ?, media_type = ?, sources = ?, annotations = ?, urls = ?, chain_id = ?, blob_chain_id = ? WHERE id = ?",
        blob.diffId,
        blob.digest,
        blob.size,
        blob.mediaType,
        JSON.stringify(blob.sources),
        JSON.stringify(blob.annotations),
        urlsColumn(blob.urls),
        chains?.chain ?? null,
        chains?.blobChain ?? null,
        id,
      );
      this.#edge(id, "blob", blob.digest);
    });
  }

  /** Replaces a lost blob by another blob with the same diffID. Returns false if the layer no longer has the lost blob. */
  changeBlob(id: RecordId, lost: Digest, blob: BlobForm): boolean {
    return this.transaction(() => {
      const { changes } = this.#state.run(
        "UPDATE record SET blob = ?, blob_size = ?, media_type = ?, sources = ?, annotations = ?, urls = ? WHERE id = ? AND blob = ?",
        blob.digest,
        blob.size,
        blob.mediaType,
        JSON.stringify(blob.sources),
        JSON.stringify(blob.annotations),
        urlsColumn(blob.urls),
        id,
        lost,
      );
      if (changes === 0) return false;
      if (lost !== blob.digest) removeEdge(this.#state, { kind: "record", id }, { kind: "blob", id: lost });
      this.#edge(id, "blob", blob.digest);
      return true;
    });
  }

  /** Sets the chain ids of a record, given its layers, lowest first. Does nothing if one of them has no blob. */
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

  /** Adds places where the blob of a layer is published. */
  addUrls(id: RecordId, urls: readonly string[]): void {
    const row = this.get(id);
    if (row?.blob === undefined || urls.length === 0) return;
    const all = [...new Set([...(row.blob.urls ?? []), ...urls])];
    this.#state.run("UPDATE record SET urls = ? WHERE id = ?", urlsColumn(all), id);
  }

  variants(id: RecordId): BlobForm[] {
    const rows = this.#state.all("SELECT * FROM record_variant WHERE record = ?", id);
    return rows.flatMap((row) => blobOf({ ...row, sources: "[]", annotations: "{}" }) ?? []);
  }

  addVariant(id: RecordId, blob: BlobForm): void {
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

  /** Sets the time of last use of records, and adds 1 to their usage counts. */
  used(ids: Iterable<RecordId>, at: number = Date.now()): void {
    this.transaction(() => {
      for (const id of ids)
        this.#state.run("UPDATE record SET last_used_at = ?, usage_count = usage_count + 1 WHERE id = ?", at, id);
    });
  }

  /** Returns the records that an unexpired lease keeps, and all records below them. */
  leased(now: number = Date.now()): Set<RecordId> {
    return leased(this.#state, "record", now);
  }

  /** Removes a record. Returns false, and removes nothing, if it has children or if a lease keeps it. */
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

  /** Returns the mutable records with a key, oldest first. */
  byKey(key: string): RecordRow[] {
    return this.#state
      .all("SELECT * FROM record WHERE key = ? ORDER BY created_at", key)
      .flatMap((row) => fromRow(row) ?? []);
  }

  /** Returns the mutable records of a cache mount's id, whichever record they were initialised from. */
  byMountId(mountId: string): RecordRow[] {
    return this.#state
      .all("SELECT * FROM record WHERE key = ?1 OR substr(key, 1, length(?1) + 1) = ?1 || ':'", mountId)
      .flatMap((row) => fromRow(row) ?? []);
  }

  /** Returns whether a record exists and has a key. */
  hasKey(id: RecordId): boolean {
    return this.#state.get("SELECT 1 FROM record WHERE id = ? AND key IS NOT NULL", id) !== undefined;
  }

  /** Returns the mutable records without a key. */
  unkeyed(): RecordRow[] {
    return this.#state
      .all("SELECT * FROM record WHERE kind = 'mutable' AND key IS NULL")
      .flatMap((row) => fromRow(row) ?? []);
  }

  /** Sets the key of a mutable record. Null removes the key: nobody will find the record again. */
  setKey(id: RecordId, key: string | null): void {
    this.#state.run("UPDATE record SET key = ? WHERE id = ?", key, id);
  }

  #edge(id: RecordId, kind: "record" | "snapshot" | "blob", to: string): void {
    addEdge(this.#state, { kind: "record", id }, { kind, id: to });
  }

  #chains(parent: RecordId | undefined, blob: BlobForm): { chain: Digest; blobChain: Digest } | undefined {
    const own = digestOf(`${blob.digest} ${blob.diffId}`);
    if (parent === undefined) return { chain: blob.diffId, blobChain: own };
    const below = this.#state.get("SELECT chain_id, blob_chain_id FROM record WHERE id = ?", parent);
    const [chain, blobChain] = [digestIn(below?.["chain_id"]), digestIn(below?.["blob_chain_id"])];
    if (chain === undefined || blobChain === undefined) return undefined;
    return {
      chain: chainId([chain, blob.diffId]) ?? blob.diffId,
      blobChain: digestOf(`${blobChain} ${own}`),
    };
  }
}

function urlsColumn(urls: readonly string[] = []): string | null {
  return urls.length === 0 ? null : JSON.stringify(urls);
}

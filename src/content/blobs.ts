import { lstatSync, renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type Digest, VarveError, errnoOf, isVarveError, toVarveError } from "../core/index.ts";
import type { Database } from "../state/index.ts";
import { type FileIdentity, blobFile, isAt } from "./blob-file.ts";
import { type Layout, blobPath, readPath } from "./layout.ts";
import { quarantinePath } from "./quarantine.ts";
import type { BlobInfo, CommitOptions } from "./types.ts";

const DISCARD_BATCH = 64;
const PAGE = 256;

export interface BlobRow {
  readonly digest: Digest;
  readonly size: number;
  readonly created_at: number;
}

export function notFound(digest: Digest): VarveError {
  return new VarveError("not-found", `Cannot find blob ${digest}: it is not in the content store`, {
    details: { digest },
  });
}

/**
 * The rows of blobs and their files. A file is renamed into place or moved away inside the transaction that changes its row, so that no
 * other process acts between the two.
 */
export class Blobs {
  readonly state: Database;
  readonly layout: Layout;

  constructor(state: Database, layout: Layout) {
    this.state = state;
    this.layout = layout;
  }

  row(digest: Digest): BlobRow | undefined {
    return this.state.get<BlobRow>("SELECT digest, size, created_at FROM blob WHERE digest = ?", digest);
  }

  /** All rows, in order of digest. */
  *rows(): Generator<BlobRow> {
    for (let after = ""; ;) {
      const rows = this.state.all<BlobRow>(
        "SELECT digest, size, created_at FROM blob WHERE digest > ? ORDER BY digest LIMIT ?",
        after,
        PAGE,
      );
      yield* rows;
      const last = rows.at(-1);
      if (last === undefined) return;
      after = last.digest;
    }
  }

  /** Number of blobs, and their bytes. */
  total(): { readonly blobs: number; readonly bytes: number } {
    const sql = "SELECT count(*) AS blobs, ifnull(sum(size), 0) AS bytes FROM blob";
    return { ...(this.state.get<{ blobs: number; bytes: number }>(sql) ?? { blobs: 0, bytes: 0 }) };
  }

  /** Returns the row of a blob whose file exists with the right size. Otherwise the blob becomes lost. */
  find(digest: Digest): BlobRow | undefined {
    const row = this.row(digest);
    if (row === undefined || this.#isWhole(row)) return row;
    return this.state.transaction(() => {
      const again = this.row(digest);
      if (again === undefined || this.#isWhole(again)) return again;
      this.#lose(digest);
      return undefined;
    });
  }

  /**
   * Marks a damaged blob as lost and moves its file to quarantine, unless the file was replaced meanwhile or the store is read-only.
   * Labels and edges stay as long as something needs the blob: they say where to fetch it, and what it keeps.
   */
  quarantine(digest: Digest, file: FileIdentity): void {
    try {
      this.state.transaction(() => {
        if (isAt(blobPath(this.layout, digest), file)) this.#lose(digest);
      });
    } catch (error) {
      const failure = toVarveError(error, `set blob ${digest} aside`, "storage");
      if (!isVarveError(failure, "storage", "busy")) throw failure;
    }
  }

  describe({ digest, size, created_at: createdAt }: BlobRow): BlobInfo {
    return { digest, size, createdAt, labels: this.labels(digest) };
  }

  labels(digest: Digest): Map<string, string> {
    const labels = this.state.all<{ key: string; value: string }>(
      "SELECT key, value FROM blob_label WHERE digest = ? ORDER BY key",
      digest,
    );
    return new Map(labels.map(({ key, value }) => [key, value]));
  }

  info(digest: Digest): BlobInfo | undefined {
    const row = this.find(digest);
    return row === undefined ? undefined : this.describe(row);
  }

  label(digest: Digest, changes: Iterable<readonly [key: string, value: string | null]>): void {
    this.state.transaction(() => {
      if (this.find(digest) === undefined) throw notFound(digest);
      this.#setLabels(digest, changes);
    });
  }

  /** Adds labels and a lease to a blob. Returns undefined if it is absent. */
  adopt(digest: Digest, { labels, lease }: CommitOptions): BlobInfo | undefined {
    return this.state.transaction(() => {
      const row = this.find(digest);
      if (row === undefined) return undefined;
      this.#setLabels(digest, Object.entries(labels ?? {}));
      lease?.add("blob", digest);
      return this.describe(row);
    });
  }

  /** Renames a verified, synced file into the blob's place, which repairs a damaged blob. */
  publish(file: string, digest: Digest, size: number, options: CommitOptions): BlobInfo {
    return this.state.transaction(() => {
      const present = this.find(digest);
      const row = present ?? { digest, size, created_at: Date.now() };
      if (present === undefined) this.state.run("INSERT INTO blob VALUES (?, ?, ?)", digest, size, row.created_at);
      this.#setLabels(digest, Object.entries(options.labels ?? {}));
      options.lease?.add("blob", digest);
      renameSync(file, blobPath(this.layout, digest));
      return this.describe(row);
    });
  }

  removeRow(digest: Digest): boolean {
    return this.state.transaction(
      () => {
        this.state.run("DELETE FROM blob_label WHERE digest = ?", digest);
        this.state.run("DELETE FROM edge WHERE from_kind = 'blob' AND from_id = ?", digest);
        return this.state.run("DELETE FROM blob WHERE digest = ?", digest).changes > 0;
      },
      { frees: true },
    );
  }

  /**
   * Removes the files of blobs without a row. Blobs that have a row again keep their file. The removal of the rows must be durable
   * before. Returns the number of removed files.
   */
  async discard(digests: readonly Digest[]): Promise<number> {
    let removed = 0;
    for (const paths of this.trash(digests)) {
      await Promise.all(paths.map((path) => rm(path, { force: true })));
      removed += paths.length;
    }
    return removed;
  }

  /** As `discard`, but the files are only moved to the trash: yields their new paths, a batch at a time. */
  *trash(digests: readonly Digest[]): Generator<string[]> {
    for (let at = 0; at < digests.length; at += DISCARD_BATCH) {
      const batch = digests.slice(at, at + DISCARD_BATCH);
      const paths = this.state.transaction(() => batch.map((digest) => this.#moveToTrash(digest)), { frees: true });
      yield paths.filter((path) => path !== undefined);
    }
  }

  #isWhole({ digest, size }: BlobRow): boolean {
    return blobFile(readPath(this.layout, digest), size).kind === "whole";
  }

  #lose(digest: Digest): void {
    const path = blobPath(this.layout, digest);
    const file = lstatSync(path, { throwIfNoEntry: false });
    if (file !== undefined) renameSync(path, quarantinePath(this.layout, digest));
    this.state.run("DELETE FROM blob WHERE digest = ?", digest);
  }

  #setLabels(digest: Digest, changes: Iterable<readonly [key: string, value: string | null]>): void {
    for (const [key, value] of changes) {
      if (value === null) this.state.run("DELETE FROM blob_label WHERE digest = ? AND key = ?", digest, key);
      else this.state.run("INSERT OR REPLACE INTO blob_label VALUES (?, ?, ?)", digest, key, value);
    }
  }

  #moveToTrash(digest: Digest): string | undefined {
    if (this.row(digest) !== undefined) return undefined;
    const path = join(this.layout.trash, randomBytes(12).toString("hex"));
    try {
      renameSync(blobPath(this.layout, digest), path);
      return path;
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }
}

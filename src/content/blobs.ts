import { renameSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type Digest, VarveError, errnoOf } from "../core/index.ts";
import type { State } from "../state/index.ts";
import { type Layout, blobPath } from "./layout.ts";
import type { BlobInfo, CommitOptions } from "./types.ts";

const DISCARD_BATCH = 64;

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

function fileSize(path: string): number | undefined {
  try {
    return statSync(path).size;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * The rows of blobs and the files they speak of. Whatever puts a file in its place or takes it away does so inside a
 * transaction that also sees to the row, so no two processes, nor a writer and the collector, get between the two.
 */
export class Blobs {
  readonly state: State;
  readonly layout: Layout;

  constructor(state: State, layout: Layout) {
    this.state = state;
    this.layout = layout;
  }

  row(digest: Digest): BlobRow | undefined {
    return this.state.get<BlobRow>("SELECT digest, size, created_at FROM blob WHERE digest = ?", digest);
  }

  /** The row of a blob whose file is there. A row without its file, or with one of another size, is dropped. */
  find(digest: Digest): BlobRow | undefined {
    const row = this.row(digest);
    if (row === undefined || fileSize(blobPath(this.layout, digest)) === row.size) return row;
    return this.state.transaction(() => {
      const again = this.row(digest);
      if (again === undefined || fileSize(blobPath(this.layout, digest)) === again.size) return again;
      this.removeRow(digest);
      return undefined;
    });
  }

  describe(row: BlobRow): BlobInfo {
    const labels = this.state.all<{ key: string; value: string }>(
      "SELECT key, value FROM blob_label WHERE digest = ? ORDER BY key",
      row.digest,
    );
    return {
      digest: row.digest,
      size: row.size,
      createdAt: row.created_at,
      labels: new Map(labels.map(({ key, value }) => [key, value])),
    };
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

  /** Labels and leases a blob that is there, or returns undefined if it is not. */
  adopt(digest: Digest, { labels, lease }: CommitOptions): BlobInfo | undefined {
    return this.state.transaction(() => {
      const row = this.find(digest);
      if (row === undefined) return undefined;
      this.#setLabels(digest, Object.entries(labels ?? {}));
      lease?.add("blob", digest);
      return this.describe(row);
    });
  }

  /** Makes a verified, synced file the blob's, unless there is one: then `file` stays where it is. */
  publish(file: string, digest: Digest, size: number, options: CommitOptions): BlobInfo {
    return this.state.transaction(() => {
      const present = this.adopt(digest, options);
      if (present !== undefined) return present;
      const row = { digest, size, created_at: Date.now() };
      this.state.run("INSERT INTO blob VALUES (?, ?, ?)", digest, size, row.created_at);
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
   * Removes the files of blobs that have no row any more, and leaves those that have one again. The removal of the rows
   * must be durable by now. Returns the number of files removed.
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

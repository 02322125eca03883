import type { Snapshotter } from "../../snapshot/index.ts";
import type { RecordId, RecordRow } from "../types.ts";

/**
 * The snapshots on which those of new versions of their layers stand. Each one counts for a single record, the newest that needs it.
 * So the size of an older record, which is usually removed first, is what its removal frees.
 */
export class EarlierVersions {
  readonly #snapshotter: Snapshotter;
  /** The record that each earlier version counts for. */
  readonly #records = new Map<string, RecordId>();

  /** `rows` are all records, oldest first. */
  constructor(rows: readonly RecordRow[], snapshotter: Snapshotter) {
    this.#snapshotter = snapshotter;
    for (const row of rows) for (const name of this.#below(row)) this.#records.set(name, row.id);
  }

  /** Returns whether the snapshot of a record counts for another one. */
  countsElsewhere({ snapshot }: RecordRow): boolean {
    return snapshot !== undefined && this.#records.has(snapshot);
  }

  /** Returns the disk usage of the earlier versions that count for a record. */
  async bytes(row: RecordRow, signal: AbortSignal | undefined): Promise<number> {
    let bytes = 0;
    for (const name of this.#below(row))
      if (this.#records.get(name) === row.id) bytes += (await this.#snapshotter.usage(name, { signal })).bytes;
    return bytes;
  }

  #below({ snapshot }: RecordRow): string[] {
    let info = snapshot === undefined ? undefined : this.#snapshotter.stat(snapshot);
    const names: string[] = [];
    for (let left = info?.revision ?? 0; left > 0; left -= 1) {
      const [parent] = info?.parents ?? [];
      if (parent === undefined) break;
      names.push(parent);
      info = this.#snapshotter.stat(parent);
    }
    return names;
  }
}

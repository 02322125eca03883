import { Limits, VarveError } from "../core/index.ts";
import type { RecordTable } from "./table.ts";
import { type RecordId, type RecordRow, SCRATCH } from "./types.ts";

/**
 * Returns the row of a record.
 * @throws {VarveError} `not-found` if the record was collected or belongs to another root.
 */
export function rowOf(table: RecordTable, id: RecordId): RecordRow {
  const row = table.get(id);
  if (row === undefined) throw new VarveError("not-found", `Cannot use record ${id}: it does not exist`);
  return row;
}

/**
 * Returns the layers of a record, lowest first. A merge is replaced by the layers of its parents; scratch has no layers.
 * @throws {VarveError} `limit-exceeded` for more than `Limits.layers` layers.
 */
export function layersOf(table: RecordTable, id: RecordId): RecordRow[] {
  const layers: RecordRow[] = [];
  const visit = (at: RecordId): void => {
    if (at === SCRATCH) return;
    const row = rowOf(table, at);
    for (const parent of row.parents) visit(parent);
    if (row.kind !== "merge") layers.push(row);
    if (layers.length > Limits.layers)
      throw new VarveError("limit-exceeded", `Cannot use record ${id}: it has more than ${Limits.layers} layers`);
  };
  visit(id);
  return layers;
}

/**
 * Writes the missing chain ids of a record and of all records below it, lowest first. A chain id can be computed only when the
 * blobs of all lower layers are known. Blobs are created in parallel, so a child may get its blob before its parent.
 */
export function settleChains(table: RecordTable, id: RecordId): void {
  const done = new Set<RecordId>();
  const visit = (at: RecordId): void => {
    if (at === SCRATCH || done.has(at)) return;
    done.add(at);
    const row = rowOf(table, at);
    for (const parent of row.parents) visit(parent);
    if (row.chainId === undefined) table.setChains(at, layersOf(table, at));
  };
  table.transaction(() => visit(id));
}

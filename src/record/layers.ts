import { Limits, VarveError } from "../core/index.ts";
import type { RecordTable } from "./table.ts";
import { type RecordId, type RecordRow, SCRATCH } from "./types.ts";

/** The row, or `not-found`: the record was collected, or its state is of another root. */
export function rowOf(table: RecordTable, id: RecordId): RecordRow {
  const row = table.get(id);
  if (row === undefined) throw new VarveError("not-found", `Cannot use record ${id}: it does not exist`);
  return row;
}

/** The layers of a record, lowest first: merges dissolved into their parents' layers. Scratch has none. */
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
 * Fills in the chain ids of a record and of everything below it, bottom up, once all their blobs are known. Layers get
 * their blobs in parallel, so a child may have had its own before its parent.
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

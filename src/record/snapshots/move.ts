import { isVarveError } from "../../core/index.ts";
import { temporaryKey } from "../keys.ts";
import { type Hold, type RecordId, SCRATCH } from "../types.ts";
import type { MutableDeps } from "./mutable.ts";

/** Puts a layer on top of another record; see `Records.move`. */
export async function moveLayer(
  { table, snapshots, snapshotter }: Pick<MutableDeps, "table" | "snapshots" | "snapshotter">,
  layer: RecordId,
  parent: RecordId,
  hold: Hold,
): Promise<RecordId | undefined> {
  const row = table.get(layer);
  if (row?.kind !== "layer") return undefined;
  const { snapshot, blob, description, type, createdAt } = row;
  const hasFiles = snapshot !== undefined && snapshotter.stat(snapshot) !== undefined;
  if (!hasFiles && blob === undefined) return undefined;
  let name: string | undefined;
  if (hasFiles) {
    const below = await snapshots.of(parent, hold);
    name = temporaryKey("moved");
    try {
      snapshotter.move(name, snapshot, below, { lease: hold.lease });
    } catch (error) {
      if (isVarveError(error, "unsupported", "not-found")) return undefined;
      throw error;
    }
  }
  const parents = parent === SCRATCH ? [] : [parent];
  return table.transaction(() => {
    const made = table.insert({ kind: "layer", parents, snapshot: name, blob, description, type, createdAt });
    hold.lease.add("record", made.id);
    return made.id;
  });
}

import type { Store } from "../engine/index.ts";
import { SCRATCH } from "../record/index.ts";
import { TracedTable, decodeRun, hasMade } from "../traced/index.ts";
import type { ImportedNote } from "./import-notes.ts";

/** Records the traced runs that a cache tells of, so that later builds get hits by them. Those that cannot be read are left out. */
export function saveRuns({ state, records }: Pick<Store, "state" | "records">, notes: readonly ImportedNote[]): void {
  const table = new TracedTable(state);
  for (const note of notes) {
    const run = note.note.trace && decodeRun(note.note.trace, note.digest);
    const accesses = run?.accesses();
    const rows = records.layers(note.record);
    const own = rows.at(-1);
    if (run === undefined || accesses === undefined || own === undefined || !hasMade(run, note.layers)) continue;
    for (const [at, layer] of run.layers.entries()) {
      const row = rows[at];
      const entries = layer.entries();
      if (row !== undefined && entries !== undefined) table.keepLayer(row.id, entries);
    }
    const { op, others } = run;
    const [input = SCRATCH] = own.parents;
    table.save({ op, input, others, result: note.record, madeAt: note.madeAt, accesses });
  }
}

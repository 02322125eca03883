import { isVarveError } from "../../core/index.ts";
import type { RecordId } from "../../record/index.ts";
import { type TracedStep, TracedTable, encodeRun, rootRecord } from "../../traced/index.ts";
import type { Store } from "../store/store.ts";
import { LayerFiles } from "./layer-files.ts";
import { layersOf } from "./known-run.ts";

/** Returns a function that returns what is known of the traced run that made a result, for a record of an exported cache. */
export function runNotes({
  records,
  state,
}: Pick<Store, "records" | "state">): (record: string, result: RecordId) => Promise<Uint8Array[] | undefined> {
  const table = new TracedTable(state);
  const files = new LayerFiles(records, table);
  const { signal } = new AbortController();

  async function encoded({ op, others, result, accesses }: TracedStep): Promise<Uint8Array[] | undefined> {
    const layers = [];
    for (const row of layersOf(result, records) ?? []) {
      const { diffId } = row.blob ?? {};
      if (diffId === undefined) return undefined;
      layers.push({ diffId, entries: await files.of(row).entries(signal) });
    }
    return layers.at(-1)?.entries === undefined ? undefined : encodeRun({ op, others, layers, accesses });
  }

  return async (record, result) => {
    const run = table.ofResult(result).find(({ op }) => rootRecord(op) === record);
    if (run === undefined) return undefined;
    try {
      return await encoded(run);
    } catch (error) {
      // Layers that are too large, or that are not whole, are not compared.
      if (isVarveError(error, "limit-exceeded", "unsupported")) return undefined;
      throw error;
    }
  };
}

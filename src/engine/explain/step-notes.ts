import {
  ExplainTable,
  type FileList,
  type ImportedStep,
  type ResultNames,
  type StepNote,
  encodeNote,
} from "../../explain/index.ts";
import { timeToMilliseconds } from "../../remotecache/index.ts";
import { recordDigest } from "../../solver/index.ts";
import type { ResultCache } from "../cache/imports.ts";
import { layersName } from "./layers-name.ts";
import type { Store } from "../store/store.ts";

/** Maximum number of outputs of an op that are considered. */
const MAX_OUTPUTS = 16;

/** Returns a function that names results of a store by the content of their layers. Results without blobs have no name. */
export function resultNames({ records }: Pick<Store, "records">): ResultNames {
  const known = new Map<string, string>();
  return (result) => {
    const name = known.get(result) ?? nameOf(result, records);
    if (name !== undefined) known.set(result, name);
    return name;
  };
}

function nameOf(result: string, records: Store["records"]): string | undefined {
  if (result !== "" && records.get(result) === undefined) return undefined;
  const layers = records.layers(result).map(({ blob }) => blob);
  return layers.every((blob) => blob !== undefined) ? layersName(layers) : undefined;
}

/** Returns a function that returns what is known of the step that made a result, for a record of an exported cache. */
export function stepNotes(
  store: Pick<Store, "records" | "state">,
): (record: string, result: string) => StepNote | undefined {
  const table = new ExplainTable(store.state);
  const names = resultNames(store);
  const lists = new Map<string, FileList | undefined>();
  const source = { nameOf: names, listOf: (id: string) => lists.getOrInsertComputed(id, () => read(table, id)) };
  return (record, result) => {
    const steps = table.stepsOf(result).map(({ facts }) => facts);
    const facts = steps.find(({ op }) => outputs().some((output) => recordDigest(op, output) === record));
    return facts && encodeNote(facts, source);
  };
}

function outputs(): number[] {
  return Array.from({ length: MAX_OUTPUTS }, (_, output) => output);
}

/** Reads a list with its chunks, so that notes share them. A damaged list is left out. */
function read(table: ExplainTable, id: string): FileList | undefined {
  try {
    return { chunks: table.list(id)?.chunks.map(({ id: chunk, bytes }) => ({ id: chunk, bytes })) ?? [] };
  } catch {
    return undefined;
  }
}

/** Returns what imported caches say of their records. */
export async function importedSteps(caches: readonly ResultCache[], signal: AbortSignal): Promise<ImportedStep[]> {
  const notes = await Promise.all(caches.map((cache) => cache.notes(signal)));
  return notes.flat().map(({ record, note, results }) => ({
    record,
    note,
    results: results.map(({ layers, createdAt }) => ({
      name: layersName(layers),
      createdAt: timeToMilliseconds(createdAt),
    })),
  }));
}

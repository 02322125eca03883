import { type Store, layersName } from "../engine/index.ts";
import { EVERY_SCOPE, ExplainTable, type StepRecord, decodeNote } from "../explain/index.ts";
import type { RecordId, RemoteLayer } from "../record/index.ts";
import type { CacheNote } from "../remotecache/index.ts";

/** What a cache says of a record that was imported. */
export interface ImportedNote {
  readonly note: CacheNote;
  /** Digest of the record of the cache. */
  readonly digest: string;
  /** ID of the result in the store. */
  readonly record: RecordId;
  readonly layers: readonly RemoteLayer[];
  /** When the result was made: milliseconds since 1970. */
  readonly madeAt: number;
}

/** Records what a cache says of its records, so that later builds are explained by it. Notes that cannot be read are left out. */
export function saveNotes({ state }: Pick<Store, "state">, notes: readonly ImportedNote[]): void {
  const ids = new Map(notes.map(({ layers, record }) => [layersName(layers), record] as const));
  const steps = notes.flatMap((note) => stepOf(note, ids));
  if (steps.length > 0) new ExplainTable(state).save(EVERY_SCOPE, steps);
}

function stepOf({ note, digest, record }: ImportedNote, ids: ReadonlyMap<string, RecordId>): StepRecord[] {
  try {
    const { facts, lists } = decodeNote(note, digest);
    const inputs = facts.inputs.map((input) => ({ ...input, result: ids.get(input.result ?? "") }));
    return [{ facts: { ...facts, inputs }, results: [record], lists }];
  } catch {
    return [];
  }
}

import type { Digest } from "../../core/index.ts";
import { type RecordId, type RecordRow, type Records, type RemoteLayer, SCRATCH } from "../../record/index.ts";
import {
  type Accesses,
  type DecodedRun,
  type LayerEntry,
  type TracedMounts,
  type TracedStep,
  hasMade,
} from "../../traced/index.ts";
import type { ComparedLayer, LayerFiles } from "./layer-files.ts";

/** An earlier run of a step. */
export interface KnownRun {
  /** The layers of its root before it, lowest first. */
  readonly input: readonly ComparedLayer[];
  /** The layer that it made. */
  readonly own: ComparedLayer;
  readonly result: RunResult;
  /** Milliseconds since 1970. */
  readonly madeAt: number;
  /** Undefined if they cannot be read. */
  readonly accesses: () => Accesses | undefined;
  /** Identifies its inputs besides its root. */
  readonly others: string;
  /** What it has seen of its bind mounts; undefined if that is not known. */
  readonly mounts: TracedMounts | undefined;
}

/** What a run has made. */
export type RunResult =
  /** The record of the root after it. */
  | { readonly kind: "record"; readonly id: RecordId }
  /** Its layer, which an imported cache has, and what is in it. */
  | { readonly kind: "remote"; readonly layer: RemoteLayer; readonly entries: () => readonly LayerEntry[] | undefined };

/** Returns a run of this store. Undefined if what it ran on or made does not exist any more. */
export function localRun(step: TracedStep, records: Records, files: LayerFiles): KnownRun | undefined {
  const { input, result, madeAt, accesses, others, mounts } = step;
  const [before, after] = [layersOf(input, records), layersOf(result, records)];
  const own = after?.at(-1);
  if (before === undefined || own === undefined) return undefined;
  if (own.parents.at(0) !== (input === SCRATCH ? undefined : input)) return undefined;
  return {
    input: before.map((row) => files.of(row)),
    own: files.of(own),
    result: { kind: "record", id: result },
    madeAt,
    accesses: () => accesses,
    others,
    mounts,
  };
}

/** Returns the layers of a record, lowest first; undefined if it does not exist. */
export function layersOf(id: RecordId, records: Records): RecordRow[] | undefined {
  if (id === SCRATCH) return [];
  return records.get(id) === undefined ? undefined : records.layers(id);
}

/** A result of a record of an imported cache. */
export interface RemoteResult {
  /** Lowest first. */
  readonly layers: readonly RemoteLayer[];
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** Returns a run of another machine, with its result in an imported cache. Undefined if the run did not make this result. */
export function remoteRun(run: DecodedRun, { layers, createdAt }: RemoteResult): KnownRun | undefined {
  const layer = layers.at(-1);
  const compared = run.layers.map((one) => toldLayer(one.diffId, one.entries));
  const [own, last] = [compared.at(-1), run.layers.at(-1)];
  if (!hasMade(run, layers) || layer === undefined || own === undefined || last === undefined) return undefined;
  return {
    input: compared.slice(0, -1),
    own,
    result: { kind: "remote", layer, entries: last.entries },
    madeAt: createdAt,
    accesses: run.accesses,
    others: run.others,
    mounts: undefined,
  };
}

function toldLayer(diffId: Digest, entries: () => readonly LayerEntry[] | undefined): ComparedLayer {
  const told = (): Promise<readonly LayerEntry[] | undefined> => Promise.resolve(entries());
  return { id: `remote ${diffId}`, diffId, entries: told, shape: told };
}

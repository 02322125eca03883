import type { Digest } from "../../core/index.ts";
import { type Hold, type RecordId, type RecordRow, type Records, SCRATCH } from "../../record/index.ts";
import type { Database } from "../../state/index.ts";
import {
  type Accesses,
  Forgiveness,
  type SeenChange,
  type TracedMode,
  TracedTable,
  type TreeChange,
  compareStacks,
} from "../../traced/index.ts";
import { LayerFiles } from "./layer-files.ts";

/** A step with its inputs. */
export interface TracedInputs {
  /** The cache digest of the op. */
  readonly op: Digest;
  /** The record that the root starts as. */
  readonly root: RecordId;
  /** Identifies all other inputs. */
  readonly others: string;
}

/** What earlier runs say of a step on new inputs. */
export type Recollection =
  /** The step makes the layer of `result` again, which was made at `madeAt`. `changed`: number of files that differ. */
  | {
      readonly kind: "hit";
      readonly result: RecordId;
      readonly madeAt: number;
      readonly accesses: Accesses;
      readonly changed: number;
    }
  /** `seen`: what the step may have seen of the differences to the run with the fewest; undefined if no run is usable. */
  | { readonly kind: "miss"; readonly seen: SeenChange | undefined; readonly changed: number }
  /** No run is known. */
  | { readonly kind: "none" };

/** The traced runs of steps: what they have opened, and whether they would make the same layers on other inputs. */
export class TracedRuns {
  readonly #records: Records;
  readonly #table: TracedTable;

  constructor(records: Records, state: Database) {
    this.#records = records;
    this.#table = new TracedTable(state);
  }

  /** Searches the runs of a step for one that it would repeat. Runs that ended before `since` (milliseconds since 1970) are too old. */
  async find(
    { op, root, others }: TracedInputs,
    { mode, since, signal }: { readonly mode: TracedMode; readonly since: number; readonly signal: AbortSignal },
  ): Promise<Recollection> {
    const files = new LayerFiles(this.#records, this.#table);
    let miss: Recollection = { kind: "none" };
    for (const run of this.#table.runs(op)) {
      if (run.others !== others || run.madeAt < since) continue;
      const verdict = await this.#judge(run, root, { mode, files, signal });
      if (verdict.kind === "hit") return { ...verdict, ...run };
      if (miss.kind === "none" || verdict.changed < miss.changed) miss = verdict;
    }
    return miss;
  }

  /** Puts the layer of a run on a new root. Undefined if it does not exist any more. */
  async move(result: RecordId, root: RecordId, hold: Hold): Promise<RecordId | undefined> {
    const layer = this.#records.layers(result).at(-1);
    return layer === undefined ? undefined : await this.#records.move(layer.id, root, hold);
  }

  save(
    { op, root, others }: TracedInputs,
    run: { readonly result: RecordId; readonly madeAt: number; readonly accesses: Accesses },
  ): void {
    this.#table.save({ op, input: root, others, ...run });
  }

  /** Returns whether a run of an op is remembered. */
  knows(op: Digest): boolean {
    return this.#table.knows(op);
  }

  isDistrusted(op: Digest): boolean {
    return this.#table.isDistrusted(op);
  }

  /** Compares the layers of two results of a step on the same root. Distrusts the op if they differ; returns how. */
  async verify(op: Digest, expected: RecordId, actual: RecordId, signal: AbortSignal): Promise<readonly TreeChange[]> {
    const last = (id: RecordId): RecordRow[] => this.#records.layers(id).slice(-1);
    const files = new LayerFiles(this.#records, this.#table);
    const [before, after] = [await files.stack(last(expected), signal), await files.stack(last(actual), signal)];
    if (before === undefined || after === undefined) return [];
    const changes = [...compareStacks(before, after)];
    if (changes.length > 0) this.#table.distrust(op);
    return changes;
  }

  async #judge(
    { input, result, accesses }: { readonly input: RecordId; readonly result: RecordId; readonly accesses: Accesses },
    root: RecordId,
    { mode, files, signal }: { readonly mode: TracedMode; readonly files: LayerFiles; readonly signal: AbortSignal },
  ): Promise<{ readonly kind: "hit"; readonly changed: number } | Extract<Recollection, { kind: "miss" }>> {
    const gone = { kind: "miss", seen: undefined, changed: Infinity } as const;
    if (this.#isGone(result) || this.#isGone(input)) return gone;
    const [before, after] = withoutCommon(this.#layersOf(input), this.#layersOf(root));
    // Another base image: everything may differ.
    if ([...before, ...after].some(isOfImage)) return gone;
    const own = this.#records.layers(result).at(-1);
    if (own === undefined || own.parents.at(0) !== (input === SCRATCH ? undefined : input)) return gone;
    const layer = await files.shape(own, signal);
    const [then, now] = [await files.stack(before, signal), await files.stack(after, signal)];
    if (layer === undefined || then === undefined || now === undefined) return gone;
    const forgiveness = new Forgiveness({ accesses, layer }, mode);
    const changes = [...compareStacks(then, now)];
    const changed = changes.length;
    const [seen] = changes.flatMap((change) => forgiveness.judge(change) ?? []);
    return seen === undefined ? { kind: "hit", changed } : { kind: "miss", seen, changed };
  }

  #isGone(id: RecordId): boolean {
    return id !== SCRATCH && this.#records.get(id) === undefined;
  }

  #layersOf(id: RecordId): RecordRow[] {
    return id === SCRATCH ? [] : this.#records.layers(id);
  }
}

/** Returns the layers above those that both lists begin with. */
function withoutCommon(before: readonly RecordRow[], after: readonly RecordRow[]): [RecordRow[], RecordRow[]] {
  let at = 0;
  while (at < before.length && at < after.length && isSame(before[at], after[at])) at += 1;
  return [before.slice(at), after.slice(at)];
}

/** True for a layer that was fetched, or can be. */
function isOfImage({ blob }: RecordRow): boolean {
  return blob !== undefined && blob.sources.length > 0;
}

function isSame(a: RecordRow | undefined, b: RecordRow | undefined): boolean {
  return a?.id === b?.id || (a?.blob !== undefined && a.blob.diffId === b?.blob?.diffId);
}

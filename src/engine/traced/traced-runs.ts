import type { Digest } from "../../core/index.ts";
import type { Hold, RecordId, Records } from "../../record/index.ts";
import type { Database } from "../../state/index.ts";
import {
  type Accesses,
  Forgiveness,
  type LayerEntry,
  type SeenChange,
  type StepTraces,
  type TracedMode,
  type TracedMounts,
  TracedTable,
  type TreeChange,
  compareStacks,
  stackLayers,
} from "../../traced/index.ts";
import type { ResultCache } from "../cache/imports.ts";
import { type KnownRun, type RunResult, layersOf, localRun } from "./known-run.ts";
import { isSame, layerDifferences } from "./layer-differences.ts";
import { type ComparedLayer, LayerFiles } from "./layer-files.ts";
import {
  type ComparedMounts,
  type MountDifferences,
  areComparable,
  keepMounts,
  mountDifferences,
} from "./mounted-files.ts";

/** What identifies a step, besides its root. */
export interface TracedStepKey {
  /** The cache digest of the op. */
  readonly op: Digest;
  /** Identifies all other inputs. */
  readonly others: string;
  /** Its bind mounts; undefined if there are none, or their files are not known. */
  readonly mounts?: ComparedMounts | undefined;
}

/** A change that a step has seen, or may have seen. */
export interface SeenDifference extends SeenChange {
  /** Where the step has the mount that the path is in; undefined: it is in its root. */
  readonly mount?: string;
}

/** A step with its inputs. */
export interface TracedInputs extends TracedStepKey {
  /** The record that the root starts as. */
  readonly root: RecordId;
}

/** What earlier runs say of a step on new inputs. */
export type Recollection =
  /** The step makes the layer of `run` again. `changed`: number of files that differ. */
  | { readonly kind: "hit"; readonly run: KnownRun; readonly accesses: Accesses; readonly changed: number }
  /** `seen`: what the step may have seen of the differences to the run with the fewest; undefined if no run is usable. */
  | { readonly kind: "miss"; readonly seen: SeenDifference | undefined; readonly changed: number }
  /** No run is known. */
  | { readonly kind: "none" };

export interface FindOptions {
  readonly mode: TracedMode;
  /** Runs that ended before (milliseconds since 1970) are too old. */
  readonly since: number;
  readonly signal: AbortSignal;
}

interface RootFor {
  /** Returns the layers of the new root, to compare them with those of a run; undefined if that cannot be done. */
  readonly rootFor: (run: KnownRun) => Promise<readonly ComparedLayer[] | undefined>;
}

const UNUSABLE = { kind: "miss", seen: undefined, changed: Infinity } as const;

/** The traced runs of steps: what they have opened, and whether they would make the same layers on other inputs. */
export class TracedRuns {
  readonly #records: Records;
  readonly #table: TracedTable;
  readonly #caches: () => readonly ResultCache[];

  /** @param caches returns the imported caches. */
  constructor(records: Records, state: Database, caches: () => readonly ResultCache[]) {
    this.#records = records;
    this.#table = new TracedTable(state);
    this.#caches = caches;
  }

  /** Searches the runs of a step, those of this store first, for one that it would repeat. */
  async find({ root, ...step }: TracedInputs, options: FindOptions): Promise<Recollection> {
    const files = new LayerFiles(this.#records, this.#table);
    const layers = (layersOf(root, this.#records) ?? []).map((row) => files.of(row));
    return await this.#search(step, files, { ...options, rootFor: () => Promise.resolve(layers) });
  }

  /** Like `find`, for a root that does not exist yet. It is not known which run would be repeated if one cannot be compared. */
  async foresee(step: TracedStepKey, options: FindOptions & RootFor): Promise<Recollection> {
    return await this.#search(step, new LayerFiles(this.#records, this.#table), options);
  }

  /** Returns the layers of a record, lowest first. */
  layersOf(id: RecordId): readonly ComparedLayer[] {
    const files = new LayerFiles(this.#records, this.#table);
    return (layersOf(id, this.#records) ?? []).map((row) => files.of(row));
  }

  async #search(
    step: TracedStepKey,
    files: LayerFiles,
    { mode, since, signal, rootFor }: FindOptions & RootFor,
  ): Promise<Recollection> {
    let miss: Recollection = { kind: "none" };
    let isComplete = true;
    for await (const run of this.#runs(step, files, signal)) {
      if (run !== undefined && run.madeAt < since) continue;
      const root = run && (await rootFor(run));
      isComplete &&= run === undefined || root !== undefined;
      const verdict =
        run === undefined || root === undefined
          ? UNUSABLE
          : await this.#judge(run, { ...step, root }, { mode, signal });
      if (verdict.kind === "hit") return verdict;
      if (miss.kind === "none" || verdict.changed < miss.changed) miss = verdict;
    }
    return isComplete ? miss : { kind: "none" };
  }

  /** Yields the runs of a step, undefined for those that cannot be used any more. Imported caches are read when nothing else has helped. */
  async *#runs(
    { op, others, mounts }: TracedStepKey,
    files: LayerFiles,
    signal: AbortSignal,
  ): AsyncGenerator<KnownRun | undefined> {
    if (this.isDistrusted(op)) return;
    for (const run of this.#table.runs(op))
      if (run.others === others || areComparable(run.mounts, mounts)) yield localRun(run, this.#records, files);
    yield* await this.#imported({ op, others }, signal);
  }

  async #imported(step: Pick<TracedStepKey, "op"> & Partial<TracedStepKey>, signal: AbortSignal): Promise<KnownRun[]> {
    const caches = this.#caches();
    if (caches.length === 0) return [];
    const { importedRuns } = await import("./imported-runs.ts");
    return await importedRuns(step, caches, signal);
  }

  async #judge(
    run: KnownRun,
    { root, others, mounts }: TracedStepKey & { readonly root: readonly ComparedLayer[] },
    { mode, signal }: JudgeOptions,
  ): Promise<Verdict> {
    const inMounts = run.others === others ? [] : differencesInMounts(run.mounts, mounts, this.#table);
    if (inMounts === undefined) return UNUSABLE;
    const changed = inMounts.reduce((sum, { changes }) => sum + changes.length, 0);
    for (const { target, changes, traces } of inMounts) {
      const forgiveness = new Forgiveness(traces, mode);
      for (const change of changes) {
        const seen = forgiveness.judge(change);
        if (seen !== undefined) return { kind: "miss", seen: { ...seen, mount: target }, changed };
      }
    }
    const verdict = await judgeRoot(run, root, { mode, signal });
    return { ...verdict, changed: verdict.changed + changed };
  }

  /** Puts the layer of a run on a new root. Undefined if it does not exist any more. */
  async move(result: RunResult, root: RecordId, hold: Hold): Promise<RecordId | undefined> {
    if (result.kind === "remote") {
      const { id } = this.#records.addLayer(root, result.layer, hold.lease);
      this.#keep(id, result.entries());
      return id;
    }
    const layer = this.#records.layers(result.id).at(-1);
    const moved = layer && (await this.#records.move(layer.id, root, hold));
    if (layer !== undefined && moved !== undefined) this.#keep(moved, this.#table.keptLayer(layer.id));
    return moved;
  }

  #keep(id: RecordId, entries: readonly LayerEntry[] | undefined): void {
    if (entries !== undefined) this.#table.keepLayer(id, entries);
  }

  /** Remembers a run. `traces`: what it has seen of its bind mounts, in the order of the op; undefined if that is not known. */
  save(
    { op, root, others, mounts }: TracedInputs,
    {
      traces,
      ...run
    }: {
      readonly result: RecordId;
      readonly madeAt: number;
      readonly accesses: Accesses;
      readonly traces: readonly StepTraces[] | undefined;
    },
  ): void {
    const kept = traces && mounts && keepMounts(mounts, traces, this.#table);
    this.#table.save({ op, input: root, others, ...run, mounts: kept });
  }

  /** Returns whether a run of a step is known. */
  async knows(op: Digest, signal: AbortSignal): Promise<boolean> {
    if (this.isDistrusted(op)) return false;
    return this.#table.knows(op) || (await this.#imported({ op }, signal)).length > 0;
  }

  isDistrusted(op: Digest): boolean {
    return this.#table.isDistrusted(op);
  }

  /**
   * Compares the layer of an earlier run with that of another result of the step. Distrusts the op if they differ; returns how. Undefined
   * if they cannot be compared.
   */
  async verify(
    op: Digest,
    { own }: KnownRun,
    actual: RecordId,
    signal: AbortSignal,
  ): Promise<readonly TreeChange[] | undefined> {
    const row = layersOf(actual, this.#records)?.at(-1);
    const made = row && new LayerFiles(this.#records, this.#table).of(row);
    const [before, after] = [await own.entries(signal), await made?.entries(signal)];
    if (before === undefined || after === undefined) return undefined;
    const changes = [...compareStacks(stackLayers([before]), stackLayers([after]))];
    if (changes.length > 0) this.#table.distrust(op);
    return changes;
  }
}

type Verdict = Exclude<Recollection, { readonly kind: "none" }>;

interface JudgeOptions {
  readonly mode: TracedMode;
  readonly signal: AbortSignal;
}

function differencesInMounts(
  before: TracedMounts | undefined,
  now: ComparedMounts | undefined,
  table: TracedTable,
): MountDifferences[] | undefined {
  return before === undefined || now === undefined ? undefined : mountDifferences(before, now, table);
}

async function judgeRoot(
  run: KnownRun,
  root: readonly ComparedLayer[],
  { mode, signal }: JudgeOptions,
): Promise<Verdict> {
  const [before, after] = withoutCommon(run.input, root);
  const changes = await layerDifferences(before, after, signal);
  const accesses = changes && run.accesses();
  // Another base image, for example: everything may differ.
  if (changes === undefined || accesses === undefined) return UNUSABLE;
  const changed = changes.length;
  const read = changes.find(({ path }) => accesses.has(path));
  if (read !== undefined) return { kind: "miss", seen: { change: read, why: "read" }, changed };
  const layer = await run.own.shape(signal);
  if (layer === undefined) return UNUSABLE;
  const forgiveness = new Forgiveness({ accesses, layer }, mode);
  for (const change of changes) {
    const seen = forgiveness.judge(change);
    if (seen !== undefined) return { kind: "miss", seen, changed };
  }
  return { kind: "hit", run, accesses, changed };
}

/** Returns the layers above those that both lists begin with. */
function withoutCommon(
  before: readonly ComparedLayer[],
  after: readonly ComparedLayer[],
): [readonly ComparedLayer[], readonly ComparedLayer[]] {
  let at = 0;
  while (at < before.length && at < after.length && isSame(before[at], after[at])) at += 1;
  return [before.slice(at), after.slice(at)];
}

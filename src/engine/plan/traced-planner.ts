import { draftFileOp } from "../../fileop/index.ts";
import { draftUpper } from "../../layer/index.ts";
import { EMPTY, type FileOp, type Vertex } from "../../llb/index.ts";
import type { RecordId } from "../../record/index.ts";
import type { PlannedEdge } from "../../solver/index.ts";
import type { LayerEntry } from "../../traced/index.ts";
import { read } from "../ops/file-trees.ts";
import type { Result } from "../ops/result.ts";
import type { TracedExec } from "../ops/traced-exec.ts";
import type { Session } from "../session.ts";
import type { KnownRun } from "../traced/known-run.ts";
import type { ComparedLayer } from "../traced/layer-files.ts";
import { readUpper } from "../traced/upper-entries.ts";
import type { PlanOutcome } from "./types.ts";

/** Layers of a result that a build would make. */
type PlannedLayers =
  /** Those of a record. */
  | { readonly kind: "record"; readonly id: RecordId }
  /** The one that an earlier run has made. */
  | { readonly kind: "recalled"; readonly layer: ComparedLayer }
  /** One with files of contexts. */
  | { readonly kind: "copied"; readonly copy: Copy };

/** A file op that copies from contexts. */
interface Copy {
  readonly op: FileOp;
  readonly inputs: readonly (Result | undefined)[];
}

/** Where the results of traced steps come from: the id of their cache in plans. */
const CACHE = "traced";

/**
 * Finds out which traced steps would be taken from earlier runs although steps before them would run. That can be said where all of these
 * copy files from contexts, or are traced steps that would be taken from earlier runs themselves. Nothing is written and nothing mounted:
 * a copy is described on top of the directory of the layer that it made before the earlier run.
 */
export class TracedPlanner {
  readonly #session: Session;
  readonly #made = new Map<string, readonly PlannedLayers[]>();
  readonly #signal: AbortSignal;

  constructor(session: Session) {
    this.#session = session;
    this.#signal = session.hold.signal ?? new AbortController().signal;
  }

  /** Returns the outcome of a step that is unknown otherwise; undefined if it stays unknown. Call it for all vertices, inputs first. */
  async add(vertex: Vertex, planned: PlannedEdge<Result>): Promise<PlanOutcome | undefined> {
    if (planned.output !== 0 || planned.outcome.kind === "hit") return undefined;
    try {
      if (vertex.op.kind === "exec") return await this.#addExec(vertex, planned);
    } catch {
      // A layer that is compared may just have been removed.
      return undefined;
    }
    if (vertex.op.kind === "file") this.#addCopy(vertex, vertex.op, planned);
    return undefined;
  }

  #addCopy(vertex: Vertex, op: FileOp, planned: PlannedEdge<Result>): void {
    const below = this.#layersAt(vertex, op.actions[0]?.input ?? EMPTY, planned);
    if (below !== undefined)
      this.#made.set(vertex.digest, [...below, { kind: "copied", copy: { op, inputs: planned.inputs } }]);
  }

  async #addExec(vertex: Vertex, planned: PlannedEdge<Result>): Promise<PlanOutcome | undefined> {
    const exec = planned.outcome.kind === "unknown" ? await this.#session.tracedExec(vertex) : undefined;
    const root = exec && this.#layersAt(vertex, exec.rootInput, planned);
    if (exec === undefined || root === undefined) return undefined;
    const rootFor = (run: KnownRun): Promise<ComparedLayer[] | undefined> => this.#comparable(root, run, exec);
    const found = await exec.foresee(planned.inputs, rootFor, this.#signal);
    if (found?.kind !== "hit") return found;
    const { own: layer, madeAt } = found.run;
    this.#made.set(vertex.digest, [...root, { kind: "recalled", layer }]);
    return { kind: "hit", cache: CACHE, createdAt: madeAt, fetchBytes: 0 };
  }

  /** Returns the layers of an input of a step. */
  #layersAt({ inputs }: Vertex, index: number, planned: PlannedEdge<Result>): readonly PlannedLayers[] | undefined {
    if (index === EMPTY) return [];
    const result = planned.inputs[index];
    if (result?.kind === "record") return [{ kind: "record", id: result.id }];
    const edge = inputs[index];
    return edge === undefined || edge.output !== 0 ? undefined : this.#made.get(edge.vertex.digest);
  }

  /** Returns layers as they are compared with the root of a run; undefined if that had others at their places. */
  async #comparable(
    planned: readonly PlannedLayers[],
    { input }: KnownRun,
    exec: TracedExec,
  ): Promise<ComparedLayer[] | undefined> {
    const layers: ComparedLayer[] = [];
    for (const each of planned) {
      if (each.kind === "record") layers.push(...exec.layersOf(each.id));
      else if (each.kind === "recalled") layers.push(each.layer);
      else {
        const earlier = input[layers.length]?.versions?.[0]?.directory;
        const entries = earlier === undefined ? undefined : await this.#describe(each.copy, earlier);
        if (entries === undefined) return undefined;
        layers.push(describedLayer(`copied ${layers.length}`, entries));
      }
    }
    return layers.length === input.length ? layers : undefined;
  }

  /** Returns what a copy would make on top of a directory. */
  async #describe({ op, inputs }: Copy, earlier: string): Promise<readonly LayerEntry[] | undefined> {
    const base = op.actions[0]?.input ?? EMPTY;
    const opened = inputs.map((input, index) => (index === base ? BASE : input));
    if (!opened.every((input) => input === BASE || input?.kind === "context")) return undefined;
    const { records } = this.#session.store;
    await using drafted = await draftFileOp(
      op,
      opened,
      {
        read: async (input) =>
          input === BASE || input === undefined
            ? { tree: { path: earlier }, [Symbol.asyncDispose]: () => Promise.resolve() }
            : await read(input, { records, hold: this.#session.hold }, this.#session.hold),
      },
      this.#signal,
    );
    return drafted && (await readUpper(draftUpper(drafted.draft), { contents: true, signal: this.#signal }));
  }
}

/** Stands for the input that a copy changes. */
const BASE = Symbol("base");

function describedLayer(id: string, entries: readonly LayerEntry[]): ComparedLayer {
  const told = (): Promise<readonly LayerEntry[]> => Promise.resolve(entries);
  return { id, diffId: undefined, entries: told, shape: told };
}

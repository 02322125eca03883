import { type Digest, VarveError } from "../../core/index.ts";
import { Once } from "./once.ts";
import type { Slots } from "./slots.ts";
import type { SharingJob } from "./sharing-job.ts";
import type { VertexTrace } from "../trace.ts";
import type { CacheMap, OpContext, Recalled, SolverOp, SolverVertex } from "../vertex.ts";

/** A cache map, and whether it is the last one. */
export interface ResolvedMap<R> {
  readonly map: CacheMap<R>;
  readonly done: boolean;
}

/** The outcome of an execution. */
export interface Execution<R> {
  readonly results: readonly R[];
  /** Set if the op did not have to run. */
  readonly recalled?: Pick<Recalled<R>, "cache" | "createdAt"> | undefined;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

/** The op of one of the jobs that share a vertex. All do the same work, each with what its own job has. */
export interface JobOp<R> {
  readonly job: SharingJob<R>;
  readonly op: SolverOp<R>;
}

/** Callbacks while an op works. */
export interface OpListener<R> {
  /** Returns the ops that can do the work. */
  ops(): readonly JobOp<R>[];
  /** See `SolverOptions.isPersonal`. */
  isPersonal(error: unknown): boolean;
  started(work: "resolve" | "execute"): void;
  resolved(): void;
  cancelled(): void;
  context(signal: AbortSignal): OpContext;
  /** Returns why no cache had the results. */
  traces(): readonly VertexTrace[];
}

interface ResultPiece<R, T> {
  readonly result: R;
  readonly once: Once<T>;
}

/**
 * The work of an op. Each piece runs once for all outputs of the vertex and all jobs that share it. It runs with the op of the first job.
 * If that job is cancelled, or lacks something, the op of the next one does the work again.
 */
export class SharedOp<R> {
  readonly #vertex: SolverVertex<R>;
  /** The op that did the last work. */
  #op: SolverOp<R>;
  /** The op that the cache maps are of. */
  #mapper: SolverOp<R>;
  readonly #slots: Slots;
  readonly #listener: OpListener<R>;
  readonly #maps: Once<ResolvedMap<R>>[] = [];
  readonly #content = new Map<number, ResultPiece<R, Digest | undefined>>();
  readonly #preloads = new Map<number, ResultPiece<R, void>>();
  #execution: Once<Execution<R>> | undefined;
  /** False once a result was unreadable, so that it is not recalled again. */
  #recalls = true;

  constructor(vertex: SolverVertex<R>, slots: Slots, listener: OpListener<R>) {
    this.#vertex = vertex;
    this.#op = vertex.op;
    this.#mapper = vertex.op;
    this.#slots = slots;
    this.#listener = listener;
  }

  /** Returns the cache map with an index. Callers ask for the maps in order. */
  async map(index: number, signal: AbortSignal): Promise<ResolvedMap<R>> {
    const once = (this.#maps[index] ??= new Once((shared) => this.#resolve(index, shared)));
    return await once.get(signal);
  }

  /** Returns the digest of what the op reads of an input, or undefined if the op computes none. */
  async content(map: CacheMap<R>, input: number, result: R, signal: AbortSignal): Promise<Digest | undefined> {
    if (map.inputs[input]?.content === undefined) return undefined;
    return await resultPiece(this.#content, input, result, (shared) =>
      this.#watched(shared, async (op, context) => {
        const own = await this.#mapOf(op, map, context);
        return await own.inputs[input]?.content?.(result, context);
      }),
    ).get(signal);
  }

  /** Prepares an input for use. */
  async preload(map: CacheMap<R>, input: number, result: R, signal: AbortSignal): Promise<void> {
    if (map.inputs[input]?.preload === undefined) return;
    await resultPiece(this.#preloads, input, result, (shared) =>
      this.#watched(shared, async (op, context) => {
        const own = await this.#mapOf(op, map, context);
        await own.inputs[input]?.preload?.(result, context);
      }),
    ).get(signal);
  }

  /** Executes the op. */
  async execute(inputs: readonly R[], signal: AbortSignal): Promise<Execution<R>> {
    this.#execution ??= new Once((shared) => this.#execute(inputs, shared));
    return await this.#execution.get(signal);
  }

  /** Forgets all results, so that they are made again. Called when an input or the result itself is unreadable. */
  forget(): void {
    this.#recalls = false;
    this.#execution = undefined;
    this.#content.clear();
    this.#preloads.clear();
  }

  /** Resolves when all aborted work has ended. */
  async stopped(): Promise<void> {
    const pieces = [...this.#content.values(), ...this.#preloads.values()].map(({ once }) => once.stopped());
    await Promise.all([...pieces, ...this.#maps.map((once) => once.stopped()), this.#execution?.stopped()]);
  }

  async #resolve(index: number, signal: AbortSignal): Promise<ResolvedMap<R>> {
    const isRoot = this.#vertex.inputs.length === 0;
    if (isRoot) this.#listener.started("resolve");
    const answer = await this.#watched(signal, async (op, context) => {
      const found = await op.cacheMap(index, context);
      this.#mapper = op;
      return found;
    });
    if (isRoot) this.#listener.resolved();
    const inputs = answer.map.inputs.length;
    if (inputs !== this.#vertex.inputs.length || (!isRoot && !answer.done)) {
      const expected = this.#vertex.inputs.length;
      const why = answer.done
        ? `it has ${inputs} inputs, but the vertex has ${expected}`
        : "a vertex with inputs can have only one";
      throw new VarveError("internal", `Cannot use the cache map of ${this.#vertex.name}: ${why}`);
    }
    return answer;
  }

  async #execute(inputs: readonly R[], signal: AbortSignal): Promise<Execution<R>> {
    const { op: first } = this.#vertex;
    const recalled = await this.#recall(inputs, signal);
    if (recalled !== undefined) return { results: this.#complete(recalled.results), recalled, startedAt: Date.now() };
    using _slot = await this.#slots.take(first.resources ?? "step", signal);
    await this.#usable(new Set()).announce?.(inputs, this.#listener.traces());
    const startedAt = Date.now();
    this.#listener.started("execute");
    const results = await this.#watched(signal, (op, context) => op.execute(inputs, context));
    return { results: this.#complete(results), startedAt };
  }

  async #recall(inputs: readonly R[], signal: AbortSignal): Promise<Recalled<R> | undefined> {
    const { op: first, ignoreCache } = this.#vertex;
    if (ignoreCache || !this.#recalls || first.recall === undefined) return undefined;
    const traces = this.#listener.traces();
    return await this.#watched(signal, async (op, context) => await op.recall?.(inputs, context, traces));
  }

  /** Returns the results if there is one for each output. */
  #complete(results: readonly R[]): readonly R[] {
    const { op, name } = this.#vertex;
    if (results.length >= op.outputs) return results;
    const message = `Cannot use the results of ${name}: it returned ${results.length} of ${op.outputs}`;
    throw new VarveError("internal", message);
  }

  /** Returns the cache map that an op with inputs has in place of the one that another op made. */
  async #mapOf(op: SolverOp<R>, map: CacheMap<R>, context: OpContext): Promise<CacheMap<R>> {
    return op === this.#mapper ? map : (await op.cacheMap(0, context)).map;
  }

  /**
   * Runs an op's own code, and that of further ops as long as an error may be one of the job only. Calls the listener if the code throws
   * after an abort.
   */
  async #watched<T>(signal: AbortSignal, work: (op: SolverOp<R>, context: OpContext) => Promise<T>): Promise<T> {
    const tried = new Set<SolverOp<R>>();
    for (;;) {
      const op = this.#usable(tried);
      tried.add(op);
      this.#op = op;
      try {
        return await work(op, this.#listener.context(signal));
      } catch (error) {
        if (signal.aborted) this.#listener.cancelled();
        if (signal.aborted || !this.#isOfJob(op, error) || tried.has(this.#usable(tried))) throw error;
      }
    }
  }

  /** Returns the op to run: the last one, unless its job is gone or it was tried. */
  #usable(tried: ReadonlySet<SolverOp<R>>): SolverOp<R> {
    const untried = this.#listener.ops().filter(({ op }) => !tried.has(op));
    const usable = untried.filter(({ job }) => !job.isCancelled);
    const last = usable.find(({ op }) => op === this.#op);
    return (last ?? usable[0] ?? untried[0])?.op ?? this.#op;
  }

  /** Whether an error may be one of the job that the op belongs to, and not of the op itself. */
  #isOfJob(op: SolverOp<R>, error: unknown): boolean {
    const owner = this.#listener.ops().find((each) => each.op === op);
    return owner === undefined || owner.job.isCancelled || this.#listener.isPersonal(error);
  }
}

function resultPiece<R, T>(
  pieces: Map<number, ResultPiece<R, T>>,
  input: number,
  result: R,
  work: (signal: AbortSignal) => Promise<T>,
): Once<T> {
  const known = pieces.get(input);
  if (known !== undefined && known.result === result) return known.once;
  const once = new Once(work);
  pieces.set(input, { result, once });
  return once;
}

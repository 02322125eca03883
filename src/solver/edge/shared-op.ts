import { type Digest, VarveError } from "../../core/index.ts";
import { Once } from "./once.ts";
import type { Slots } from "./slots.ts";
import type { CacheMap, OpContext, SolverVertex } from "../vertex.ts";

/** A cache map, and whether it is the last one. */
export interface ResolvedMap<R> {
  readonly map: CacheMap<R>;
  readonly done: boolean;
}

/** The outcome of an execution. */
export interface Execution<R> {
  readonly results: readonly R[];
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

/** Callbacks while an op works. */
export interface OpListener {
  started(work: "resolve" | "execute"): void;
  resolved(): void;
  cancelled(): void;
  context(signal: AbortSignal): OpContext;
}

interface ResultPiece<R, T> {
  readonly result: R;
  readonly once: Once<T>;
}

/** The work of an op. Each piece runs once for all outputs of the vertex and all jobs that share it. */
export class SharedOp<R> {
  readonly #vertex: SolverVertex<R>;
  readonly #slots: Slots;
  readonly #listener: OpListener;
  readonly #maps: Once<ResolvedMap<R>>[] = [];
  readonly #content = new Map<number, ResultPiece<R, Digest | undefined>>();
  readonly #preloads = new Map<number, ResultPiece<R, void>>();
  #execution: Once<Execution<R>> | undefined;

  constructor(vertex: SolverVertex<R>, slots: Slots, listener: OpListener) {
    this.#vertex = vertex;
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
    const compute = map.inputs[input]?.content;
    if (compute === undefined) return undefined;
    return await resultPiece(this.#content, input, result, (shared) =>
      compute(result, this.#listener.context(shared)),
    ).get(signal);
  }

  /** Prepares an input for use. */
  async preload(map: CacheMap<R>, input: number, result: R, signal: AbortSignal): Promise<void> {
    const load = map.inputs[input]?.preload;
    if (load === undefined) return;
    await resultPiece(this.#preloads, input, result, (shared) => load(result, this.#listener.context(shared))).get(
      signal,
    );
  }

  /** Executes the op. */
  async execute(inputs: readonly R[], signal: AbortSignal): Promise<Execution<R>> {
    this.#execution ??= new Once((shared) => this.#execute(inputs, shared));
    return await this.#execution.get(signal);
  }

  /** Forgets all results, so that they are made again. Called when an input or the result itself is unreadable. */
  forget(): void {
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
    const answer = await this.#watched(signal, (context) => this.#vertex.op.cacheMap(index, context));
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
    const { op, name } = this.#vertex;
    using _slot = await this.#slots.take(op.resources ?? "step", signal);
    const startedAt = Date.now();
    this.#listener.started("execute");
    const results = await this.#watched(signal, (context) => op.execute(inputs, context));
    if (results.length < op.outputs)
      throw new VarveError(
        "internal",
        `Cannot use the results of ${name}: it returned ${results.length} of ${op.outputs}`,
      );
    return { results, startedAt };
  }

  /** Runs the op's own code. Calls the listener if the code throws after an abort. */
  async #watched<T>(signal: AbortSignal, work: (context: OpContext) => Promise<T>): Promise<T> {
    try {
      return await work(this.#listener.context(signal));
    } catch (error) {
      if (signal.aborted) this.#listener.cancelled();
      throw error;
    }
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

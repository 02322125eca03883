import { type Digest, throwIfAborted } from "../../core/index.ts";
import type { CacheRecord } from "../cache/cache-manager.ts";
import { type CombinedCache, sortByPreference } from "../cache/combined-cache.ts";
import { type Location, locationName } from "../edge/edge-input.ts";
import { vertexError } from "../edge/vertex-error.ts";
import { inputsFirst } from "../edge/graph.ts";
import type { CandidateTrace, TraceOutcome, VertexTrace } from "../trace.ts";
import type { CacheMap, CacheMapInput, OpContext, SolverEdge, SolverVertex } from "../vertex.ts";
import { KeyProbe, isFresh } from "./key-probe.ts";
import type { PlanOptions, PlannedEdge, PlannedOutcome } from "./planned.ts";

/** What is known of an output of a vertex. */
interface Probed<R> {
  readonly outcome: PlannedOutcome<R>;
  /** Where its keys are, as far as records of other vertices may be searched with them. */
  readonly locations: readonly Location<R>[];
  /** A solve may find more keys than `locations` has. */
  readonly isOpen: boolean;
  /** Records of root keys. */
  readonly roots: readonly string[];
  readonly result: R | undefined;
  readonly trace: VertexTrace;
  readonly inputs: readonly (R | undefined)[];
}

/** An input of a vertex, with the records of the vertex that it leads to. */
interface ReachedInput<R> {
  readonly source: Probed<R>;
  readonly vertex: SolverVertex<R>;
  readonly output: number;
  readonly content: Digest | undefined;
  readonly reached: ReadonlyMap<string, Location<R>>;
  /** A solve may reach more records. */
  readonly isOpen: boolean;
}

/** Computes keys and looks them up, inputs first, without running any op. */
class Planner<R> {
  readonly #cache: CombinedCache<R>;
  readonly #probe: KeyProbe<R>;
  readonly #options: PlanOptions<R>;
  readonly #now = Date.now();
  readonly #probed = new Map<SolverVertex<R>, Probed<R>[]>();

  constructor(cache: CombinedCache<R>, options: PlanOptions<R>) {
    this.#cache = cache;
    this.#probe = new KeyProbe(cache);
    this.#options = options;
  }

  async add(vertex: SolverVertex<R>): Promise<void> {
    if (this.#probed.has(vertex)) return;
    throwIfAborted(this.#options.signal, "plan");
    try {
      this.#probed.set(vertex, await this.#outputs(vertex));
    } catch (error) {
      throw vertexError(vertex, error);
    }
  }

  of({ vertex, output }: SolverEdge<R>): Probed<R> {
    return this.#probed.get(vertex)?.[output] ?? opaque(vertex, output);
  }

  async #outputs(vertex: SolverVertex<R>): Promise<Probed<R>[]> {
    const maps = this.#options.isOpaque(vertex) ? [] : await this.#maps(vertex);
    const outputs: Probed<R>[] = [];
    for (let output = 0; output < vertex.op.outputs; output += 1) {
      const [map] = maps;
      if (map === undefined) outputs.push(opaque(vertex, output));
      else if (vertex.inputs.length === 0) outputs.push(await this.#root(vertex, maps, output));
      else outputs.push(await this.#dependent(vertex, map, output));
    }
    return outputs;
  }

  async #maps(vertex: SolverVertex<R>): Promise<CacheMap<R>[]> {
    const maps: CacheMap<R>[] = [];
    for (let isDone = false; !isDone;) {
      const { map, done } = await vertex.op.cacheMap(maps.length, this.#context(vertex));
      maps.push(map);
      isDone = done;
    }
    return maps;
  }

  #context({ digest }: SolverVertex<R>): OpContext {
    const signal = this.#options.signal ?? new AbortController().signal;
    return { signal, vertex: digest, report: () => undefined };
  }

  async #root(vertex: SolverVertex<R>, maps: readonly CacheMap<R>[], output: number): Promise<Probed<R>> {
    const roots = this.#probe.roots(maps, output);
    const locations = this.#probe.rootLocations(roots);
    const found = await this.#search(vertex, locations);
    const isWithheld = vertex.ignoreCache || (found.expired.length > 0 && found.fresh.length === 0);
    const outcome: PlannedOutcome<R> =
      found.best === undefined || vertex.ignoreCache ? { kind: "miss" } : { kind: "hit", record: found.best };
    return {
      outcome,
      locations: isWithheld ? [] : locations,
      isOpen: false,
      roots,
      result: (await this.#options.open(vertex)) ?? (await resultOf(outcome)),
      inputs: [],
      trace: this.#trace(vertex, output, maps, [], outcome, found),
    };
  }

  async #dependent(vertex: SolverVertex<R>, map: CacheMap<R>, output: number): Promise<Probed<R>> {
    const op = { digest: map.digest, output };
    const inputs: ReachedInput<R>[] = [];
    for (const [index, edge] of vertex.inputs.entries()) {
      const source = this.of(edge);
      const part = map.inputs[index] ?? {};
      const content = await this.#content(vertex, part, source);
      const locations = part.byContent === true ? [] : source.locations;
      const reached = await this.#probe.reached({ locations, selector: part.selector ?? "", content }, index, op);
      const mayHaveContent = part.content !== undefined && content === undefined;
      inputs.push({
        ...edge,
        source,
        content,
        reached,
        isOpen: mayHaveContent || (part.byContent !== true && source.isOpen),
      });
    }
    const common = commonOf(inputs.map(({ reached }) => reached));
    const found = await this.#search(vertex, common);
    const isReachable = !isStuck(inputs, common) && !(await this.#probe.isUnheardOf(op));
    const isOpen = !vertex.ignoreCache && (isReachable || (await vertex.op.mayRecall?.()) === true);
    const outcome = outcomeOf(vertex, found.best, isOpen, inputs);
    return {
      outcome,
      locations: vertex.ignoreCache ? [] : found.fresh,
      isOpen,
      roots: [],
      result: await resultOf(outcome),
      inputs: inputs.map(({ source }) => source.result),
      trace: this.#trace(vertex, output, [map], inputs, outcome, found),
    };
  }

  async #content(
    vertex: SolverVertex<R>,
    { content }: CacheMapInput<R>,
    { result }: Probed<R>,
  ): Promise<Digest | undefined> {
    if (content === undefined || result === undefined) return undefined;
    return await content(result, this.#context(vertex));
  }

  /** Returns the usable records at some locations, and where they are. */
  async #search(vertex: SolverVertex<R>, locations: readonly Location<R>[]): Promise<Found<R>> {
    const fresh: Location<R>[] = [];
    const usable: CacheRecord<R>[] = [];
    const expired: CacheRecord<R>[] = [];
    for (const location of locations) {
      const records = await this.#probe.recordsAt(location);
      const young = records.filter((record) => isFresh(vertex, record, this.#now));
      usable.push(...young);
      if (young.length > 0 || vertex.maxAge === undefined) fresh.push(location);
      else expired.push(...records);
    }
    const [best] = sortByPreference(usable, this.#cache.main);
    return { best, fresh, expired, all: locations };
  }

  #trace(
    vertex: SolverVertex<R>,
    output: number,
    maps: readonly CacheMap<R>[],
    inputs: readonly ReachedInput<R>[],
    outcome: PlannedOutcome<R>,
    found: Found<R>,
  ): VertexTrace {
    return {
      vertex: vertex.digest,
      name: vertex.name,
      output,
      ops: maps.map(({ digest }) => digest),
      inputs: inputs.map((input) => ({
        vertex: input.vertex.digest,
        output: input.output,
        roots: input.source.roots,
        probes: [],
        ...(input.content === undefined ? {} : { content: input.content }),
      })),
      candidates: found.expired.map(expiredTrace),
      outcome: traceOutcome(vertex, outcome, found),
    };
  }
}

interface Found<R> {
  readonly best: CacheRecord<R> | undefined;
  /** Locations with a result that may be used; all locations if any age will do. */
  readonly fresh: readonly Location<R>[];
  readonly expired: readonly CacheRecord<R>[];
  readonly all: readonly Location<R>[];
}

function expiredTrace({ cache, key, result }: CacheRecord<unknown>): CandidateTrace {
  const { id, createdAt } = result;
  return { cache: cache.id, record: key, result: id, createdAt, outcome: { kind: "expired" } };
}

function traceOutcome<R>(vertex: SolverVertex<R>, outcome: PlannedOutcome<R>, found: Found<R>): TraceOutcome {
  if (outcome.kind === "unknown") return { kind: "open" };
  if (outcome.kind === "hit") {
    const { cache, key, result } = outcome.record;
    return { kind: "hit", cache: cache.id, record: key, result: result.id };
  }
  if (vertex.ignoreCache) return { kind: "ignored" };
  if (found.expired.length > 0)
    return { kind: "expired", createdAt: Math.max(...found.expired.map(({ result }) => result.createdAt)) };
  return found.all.length > 0 && vertex.inputs.length > 0
    ? { kind: "no-result", records: found.all.map(({ id }) => id) }
    : { kind: "no-record" };
}

async function resultOf<R>(outcome: PlannedOutcome<R>): Promise<R | undefined> {
  return outcome.kind === "hit" ? await outcome.record.cache.load(outcome.record, {}) : undefined;
}

/** A vertex of which nothing may be found out. */
function opaque<R>(vertex: SolverVertex<R>, output: number): Probed<R> {
  const { digest, name } = vertex;
  return {
    outcome: { kind: "unknown", on: [] },
    locations: [],
    isOpen: true,
    roots: [],
    result: undefined,
    inputs: [],
    trace: { vertex: digest, name, output, ops: [], inputs: [], candidates: [], outcome: { kind: "open" } },
  };
}

/** Returns the locations that every input leads to. */
function commonOf<R>([first, ...rest]: readonly ReadonlyMap<string, Location<R>>[]): Location<R>[] {
  return [...(first ?? [])].filter(([name]) => rest.every((reached) => reached.has(name))).map(([, found]) => found);
}

/** True if no further record can be found; see `Matcher.isStuck`. */
function isStuck<R>(inputs: readonly ReachedInput<R>[], common: readonly Location<R>[]): boolean {
  const names = new Set(common.map(locationName));
  return inputs.some(({ isOpen, reached }) => !isOpen && [...reached.keys()].every((name) => names.has(name)));
}

function outcomeOf<R>(
  vertex: SolverVertex<R>,
  best: CacheRecord<R> | undefined,
  isOpen: boolean,
  inputs: readonly ReachedInput<R>[],
): PlannedOutcome<R> {
  if (vertex.ignoreCache) return { kind: "miss" };
  if (best !== undefined) return { kind: "hit", record: best };
  if (!isOpen) return { kind: "miss" };
  const unsettled = inputs.filter((input) => input.isOpen);
  // What an op recalls depends on inputs that are going to be made.
  const made = inputs.filter(({ source }) => source.outcome.kind !== "hit");
  const open = (unsettled.length > 0 ? unsettled : made).map((input) => input.vertex);
  return { kind: "unknown", on: [...new Set(open)] };
}

/**
 * Says what a solve would do: which results it would take from a cache, and which ops it would run. Runs nothing, and changes no cache.
 * Returns the outputs of all vertices, inputs first.
 *
 * @example
 * const planned = await planGraph(edges, new CombinedCache(cache), { open, isOpaque: () => false });
 * planned.filter(({ isNeeded, outcome }) => isNeeded && outcome.kind === "miss"); // what would run
 */
export async function planGraph<R>(
  edges: readonly SolverEdge<R>[],
  cache: CombinedCache<R>,
  options: PlanOptions<R>,
): Promise<PlannedEdge<R>[]> {
  const planner = new Planner(cache, options);
  const vertices = new Set<SolverVertex<R>>();
  for (const { vertex } of edges) for (const each of inputsFirst(vertex)) vertices.add(each);
  for (const vertex of vertices) await planner.add(vertex);
  const byVertex = new Map<SolverVertex<R>, Set<number>>();
  const need = ({ vertex, output }: SolverEdge<R>): void => {
    byVertex.set(vertex, (byVertex.get(vertex) ?? new Set()).add(output));
  };
  for (const edge of edges) need(edge);
  for (const vertex of [...vertices].toReversed()) {
    const isMade = [...(byVertex.get(vertex) ?? [])].some(
      (output) => planner.of({ vertex, output }).outcome.kind !== "hit",
    );
    if (isMade) for (const input of vertex.inputs) need(input);
  }
  return [...vertices].flatMap((vertex) =>
    Array.from({ length: vertex.op.outputs }, (_, output): PlannedEdge<R> => {
      const { outcome, result, trace, inputs } = planner.of({ vertex, output });
      return { vertex, output, outcome, result, trace, inputs, isNeeded: byVertex.get(vertex)?.has(output) === true };
    }),
  );
}

import { type Digest, VarveError, digestOf } from "../src/core/index.ts";
import {
  type CacheMapInput,
  CacheManager,
  type KeyDigest,
  MemoryKeyStore,
  MemoryResultStore,
  type OpContext,
  type OpResources,
  Solver,
  type SolverEdge,
  type SolverEvent,
  type SolverOp,
  type SolverOptions,
  type SolverVertex,
} from "../src/solver/index.ts";

/** A result of a toy op: a text, in an object of its own. */
export interface Toy {
  readonly text: string;
}

export interface ToyInput {
  readonly edge: SolverEdge<Toy>;
  /** What the op reads of the input: digests this part of its text. Absent: no content key. */
  readonly content?: (text: string) => string;
  readonly selector?: string;
  readonly preload?: () => Promise<void>;
}

export interface ToySpec {
  readonly name: string;
  /** What the cache digest is made of. Default: the name. An array: several cache maps. */
  readonly key?: string | readonly string[];
  /** The key is one of a session. */
  readonly session?: boolean;
  /** Makes the vertex differ from one that is otherwise equal. */
  readonly salt?: string;
  readonly inputs?: readonly (ToyInput | SolverVertex<Toy>)[];
  readonly ignoreCache?: boolean;
  readonly outputs?: number;
  readonly resources?: OpResources;
  /** Runs before the result is made. */
  readonly work?: (context: OpContext, inputs: readonly Toy[]) => Promise<void>;
  readonly beforeMap?: (index: number, context: OpContext) => Promise<void>;
  /** Returns an earlier result, of the year 2020, that the op would make again. */
  readonly recall?: (inputs: readonly string[]) => string | undefined;
  /** Default: `name(inputs…)`. */
  readonly text?: (inputs: readonly string[], output: number) => string;
}

/** Counts what toy ops do, over any number of solves. */
export class ToyLog {
  readonly executed: string[] = [];
  readonly mapped: string[] = [];
  readonly digested: string[] = [];
  readonly events: SolverEvent[] = [];
  running = 0;
  mostRunning = 0;

  /** What was executed since the last call, sorted. */
  take(): string[] {
    return this.executed.splice(0).sort();
  }

  ofKind<K extends SolverEvent["kind"]>(kind: K): Extract<SolverEvent, { kind: K }>[] {
    return this.events.filter((event): event is Extract<SolverEvent, { kind: K }> => event.kind === kind);
  }

  names(kind: Exclude<SolverEvent["kind"], "cache-failed">): string[] {
    return this.ofKind(kind).map(({ name }) => name);
  }
}

/** A vertex of a toy graph. Its digest follows from everything in its spec but functions and `ignoreCache`. */
export function toy(log: ToyLog, spec: ToySpec): SolverVertex<Toy> {
  const inputs = (spec.inputs ?? []).map((input) => ("edge" in input ? input : { edge: { vertex: input, output: 0 } }));
  const keys = [spec.key ?? spec.name].flat();
  const digest = digestOf(
    JSON.stringify([
      spec.name,
      keys,
      spec.salt,
      inputs.map(({ edge, selector }) => [edge.vertex.digest, edge.output, selector]),
    ]),
  );
  const op = {
    outputs: spec.outputs ?? 1,
    ...(spec.resources === undefined ? {} : { resources: spec.resources }),
    async cacheMap(index: number, context: OpContext) {
      log.mapped.push(`${spec.name}#${index}`);
      await spec.beforeMap?.(index, context);
      const map = {
        digest: keyOf(keys[index] ?? "", spec.session),
        inputs: inputs.map((input) => mapInput(log, spec, input)),
      };
      return { map, done: index === keys.length - 1 };
    },
    ...(spec.recall && { recall: recallOf(spec.recall) }),
    async execute(results: readonly Toy[], context: OpContext) {
      log.executed.push(spec.name);
      log.running += 1;
      log.mostRunning = Math.max(log.mostRunning, log.running);
      try {
        await spec.work?.(context, results);
        const texts = results.map(({ text }) => text);
        const make =
          spec.text ?? ((of, output): string => `${spec.name}${output === 0 ? "" : `.${output}`}(${of.join()})`);
        return Array.from({ length: spec.outputs ?? 1 }, (_, output) => ({ text: make(texts, output) }));
      } finally {
        log.running -= 1;
      }
    },
  };
  return {
    digest,
    name: spec.name,
    inputs: inputs.map(({ edge }) => edge),
    op,
    ignoreCache: spec.ignoreCache ?? false,
  };
}

function recallOf(find: NonNullable<ToySpec["recall"]>): SolverOp<Toy>["recall"] {
  return (inputs) => {
    const text = find(inputs.map((input) => input.text));
    const recalled = { results: [{ text: text ?? "" }], cache: "recalled", createdAt: Date.UTC(2020) };
    return Promise.resolve(text === undefined ? undefined : recalled);
  };
}

function keyOf(key: string, session = false): KeyDigest {
  const digest = digestOf(key);
  return session ? `random:${digest.slice("sha256:".length)}` : digest;
}

function mapInput(log: ToyLog, spec: ToySpec, { content, selector, preload }: ToyInput): CacheMapInput<Toy> {
  return {
    ...(selector === undefined ? {} : { selector: digestOf(selector) }),
    ...(preload === undefined ? {} : { preload }),
    ...(content === undefined
      ? {}
      : {
          content: (result: Toy): Promise<Digest> => {
            log.digested.push(`${spec.name}<${result.text}`);
            return Promise.resolve(digestOf(content(result.text)));
          },
        }),
  };
}

export interface ToyCache {
  readonly manager: CacheManager<Toy>;
  readonly keys: MemoryKeyStore;
  readonly results: MemoryResultStore<Toy>;
}

export function toyCache(id = "local"): ToyCache {
  const keys = new MemoryKeyStore();
  const results = new MemoryResultStore<Toy>();
  return { keys, results, manager: new CacheManager({ id, keys, results }) };
}

export function toySolver(cache: ToyCache, options: Partial<SolverOptions<Toy>> = {}): Solver<Toy> {
  return new Solver({ cache: cache.manager, ...options });
}

export const whole = (text: string): string => text;

/** Solves output 0 of a vertex and returns its text. */
export async function solveToy(
  solver: Solver<Toy>,
  vertex: SolverVertex<Toy>,
  options: Parameters<Solver<Toy>["solve"]>[1] & { readonly log?: ToyLog } = {},
): Promise<string> {
  const { log, ...rest } = options;
  const onEvent = (event: SolverEvent): void => {
    log?.events.push(event);
    options.onEvent?.(event);
  };
  const [solved] = await solver.solve([{ vertex, output: 0 }], { ...rest, onEvent });
  if (solved === undefined) throw new VarveError("internal", "Cannot read the result: there is none");
  return solved.result.text;
}

/** Waits until everything that can happen without the outside has happened. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

import { join } from "node:path";
import { Limits, VarveError, hostPlatform, normalizePlatform } from "../core/index.ts";
import type { Lease } from "../content/index.ts";
import { StatCache } from "../contenthash/index.ts";
import type { CompileHost, ResolveRequest } from "../frontend/index.ts";
import type { Edge } from "../llb/index.ts";
import { type Hold, SCRATCH } from "../record/index.ts";
import type { SolveResult, SolverJob } from "../solver/index.ts";
import {
  GitSource,
  HttpSource,
  ImageSource,
  type LocalContext,
  type PullPolicy,
  openLocalContext,
  readContextFile,
} from "../source/index.ts";
import { unreadableResults } from "./cache/results.ts";
import { type Imports, startImports } from "./cache/imports.ts";
import { solverGraph } from "./graph.ts";
import { readIgnorePatterns } from "./context/ignore-file.ts";
import type { Wait } from "../io/index.ts";
import { waitLine } from "./progress/transfers.ts";
import type { OpDeps } from "./ops/deps.ts";
import type { WorkShare } from "./store/shared-work.ts";
import { type Result, recordResult } from "./ops/result.ts";
import { sourceTime } from "./ops/source.ts";
import type { BuildOptions } from "./options/options.ts";
import { Progress, messageOf } from "./progress/progress.ts";
import { Secrets } from "./options/secrets.ts";
import type { Store } from "./store/store.ts";

/** A directory of this machine that a build reads. */
export interface LocalDirectory {
  readonly path: string;
  /** It is there in later builds too, so that remembering checksums of its files pays. */
  readonly lasting: boolean;
}

/** Directories by the name of their `local://` source. */
export type LocalDirectories = Map<string, LocalDirectory>;

/** What the build is asked for: not what is solved on the way to that, such as a context. */
type Targets =
  | { readonly kind: "not-begun" }
  | { readonly kind: "begun" }
  | { readonly kind: "solved"; readonly results: readonly SolveResult<Result>[] };

interface SessionParts {
  readonly secrets: Secrets;
  readonly progress: Progress;
  readonly shared: WorkShare;
  readonly own: Lease;
  readonly imports: Imports;
}

/** One build in a store: its lease, its sources, its share in the solver. */
export class Session implements AsyncDisposable {
  readonly store: Store;
  readonly progress: Progress;
  readonly hold: Hold;
  readonly images: ImageSource;
  readonly locals: LocalDirectories = new Map();
  readonly #stack: AsyncDisposableStack;
  readonly #job: SolverJob<Result>;
  readonly #deps: OpDeps;
  readonly #contexts = new Map<string, Promise<LocalContext>>();
  #targets: Targets = { kind: "not-begun" };

  private constructor(options: BuildOptions, parts: SessionParts, stack: AsyncDisposableStack) {
    const { store, signal } = options;
    const { secrets, progress, shared, own, imports } = parts;
    this.store = store;
    this.#stack = stack;
    this.progress = progress;
    this.hold = { lease: own, signal };
    const { content, records, registry, images } = store;
    this.images = new ImageSource({ content, images, registry, records });
    this.#deps = {
      content,
      records,
      cacheMounts: store.cacheMounts,
      images: this.images,
      http: new HttpSource({ content, records, state: store.state }),
      git: new GitSource(records, join(store.root, "git")),
      local: (name, attrs) => this.#local(name, attrs),
      secrets,
      runner: shared.runner,
      platform: hostPlatform(),
      pull: pullPolicy(options),
      hold: { lease: shared.lease, signal },
      limits: { shmSize: options.shmSize },
    };
    this.#job = store.solver.open({
      signal,
      caches: imports.caches,
      onEvent: (event) => this.progress.solver(event),
      retain: (result) => this.#retain(result),
    });
    stack.use(this.#job);
  }

  static async open(options: BuildOptions): Promise<Session> {
    const progress = new Progress(options.onEvent);
    const secrets = await Secrets.open(options, (message) => progress.warn(message));
    await using stack = new AsyncDisposableStack();
    stack.use(secrets);
    const shared = stack.use(await options.store.work.enter());
    const own = stack.use(await options.store.content.lease());
    const { store, signal, cacheFrom = [], cachePatience: patience } = options;
    stack.use(store.lostBlobs.enter());
    const imports = stack.use(
      await startImports(cacheFrom, { store, progress, lease: shared.lease, signal, patience }),
    );
    return new Session(options, { secrets, shared, own, progress, imports }, stack.move());
  }

  /** Solves what the build is asked for; an absent edge is scratch. The results are kept until the session ends. */
  async solve(edges: readonly (Edge | undefined)[]): Promise<Result[]> {
    const there = edges.filter((edge) => edge !== undefined);
    this.#targets = { kind: "begun" };
    const solved = await this.#solve(there);
    this.#targets = { kind: "solved", results: solved };
    const results = new Map(there.map((edge, index) => [edge, solved[index]?.result]));
    return edges.map((edge) =>
      edge === undefined ? recordResult(SCRATCH) : (results.get(edge) ?? recordResult(SCRATCH)),
    );
  }

  /** Solves what is needed to know what the build is asked for. The result is kept until the session ends. */
  async prepare(edge: Edge): Promise<Result> {
    const [solved] = await this.#solve([edge]);
    return solved?.result ?? recordResult(SCRATCH);
  }

  /** Whether solving what the build is asked for has begun, and has not come to its end. */
  get isUnfinished(): boolean {
    return this.#targets.kind === "begun";
  }

  /** What there is to export to caches: what was asked for, or after a failure all that was made on the way. */
  get solved(): readonly SolveResult<Result>[] {
    switch (this.#targets.kind) {
      case "not-begun":
        return [];
      case "begun":
        return this.#job.solved();
      case "solved":
        return this.#targets.results;
    }
  }

  /**
   * After something has failed that was done with results: forgets those that cannot be read any more. Returns whether solving
   * again may help.
   */
  async rollBack(error: unknown): Promise<boolean> {
    const isUnreadable = unreadableResults(error, this.store);
    if (isUnreadable === undefined) return false;
    return await this.#job.rollBack(isUnreadable, messageOf(error));
  }

  /** Names this build, for whoever wants to tell it from others. */
  get id(): string {
    return this.hold.lease.id;
  }

  /** Tells of the steps nobody needed. */
  finish(): void {
    this.#job.finish();
  }

  /** What compiling a Dockerfile asks of this build. */
  get host(): CompileHost {
    return {
      resolveImage: async (request) => await this.#resolveImage(request),
      ignorePatterns: async (name) => await Promise.resolve(this.#ignorePatterns(name)),
      sourceTime: async (edge, signal) =>
        await sourceTime(edge, this.#deps, { ...this.hold, ...(signal && { signal }) }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.store.records.flushUsage();
    await this.#stack.disposeAsync();
  }

  async #solve(edges: readonly Edge[]): Promise<readonly SolveResult<Result>[]> {
    const graph = solverGraph(edges, this.#deps);
    this.progress.expect(graph.steps);
    return await this.#job.solve(graph.edges);
  }

  async #resolveImage(request: ResolveRequest): ReturnType<CompileHost["resolveImage"]> {
    const policy: PullPolicy = request.mode === "pull" ? "always" : this.#deps.pull;
    const signal = request.signal ?? this.hold.signal;
    return await this.progress.activity(request.name, async (activity) => {
      const hold = { lease: this.hold.lease, signal, onWait: (wait: Wait) => activity.report(waitLine(wait)) };
      const image = await this.images.resolve(
        request.reference,
        { platform: normalizePlatform(request.platform), policy },
        hold,
      );
      return { digest: image.digest, config: image.configBytes };
    });
  }

  /** A context directory, scanned once for each set of patterns. */
  #local(name: string, attrs: ReadonlyMap<string, string>): Promise<LocalContext> {
    const key = JSON.stringify([name, ...[...attrs].toSorted(([a], [b]) => (a < b ? -1 : 1))]);
    const known = this.#contexts.get(key);
    if (known !== undefined) return known;
    const { path, lasting } = this.#directory(name);
    const list = (attr: string): string[] => JSON.parse(attrs.get(attr) ?? "[]") as string[];
    const context = openLocalContext(path, {
      name,
      excludePatterns: list("local.excludepatterns"),
      includePatterns: list("local.includepattern"),
      followPaths: list("local.followpaths"),
      ...(lasting ? { cache: new StatCache(this.store.state) } : {}),
      ...(this.hold.signal === undefined ? {} : { signal: this.hold.signal }),
    });
    this.#contexts.set(key, context);
    return context;
  }

  #directory(name: string): LocalDirectory {
    const directory = this.locals.get(name);
    if (directory !== undefined) return directory;
    throw new VarveError("internal", `Cannot read context ${name}: this build has none of that name`);
  }

  /** What the `.dockerignore` of a named context says; nothing if it has none. */
  #ignorePatterns(name: string): readonly string[] {
    const text = readContextFile(this.#directory(name).path, ".dockerignore", Limits.ignoreFile);
    return text === undefined ? [] : readIgnorePatterns(`${name}/.dockerignore`, text);
  }

  #retain(result: Result): void {
    if (result.kind !== "record" || this.store.records.pin(result.id, this.hold.lease)) return;
    throw new VarveError("not-found", `Cannot use record ${result.id}: it was collected`, {
      details: { record: result.id },
    });
  }
}

function pullPolicy({ pull }: BuildOptions): PullPolicy {
  return pull === true ? "always" : "missing";
}

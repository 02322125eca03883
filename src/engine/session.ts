import { VarveError, hostPlatform, messageOf, normalizePlatform } from "../core/index.ts";
import { LocalContexts } from "./context/local-contexts.ts";
import { join } from "node:path";
import type { Lease } from "../content/index.ts";
import type { CompileHost, ResolveRequest } from "../frontend/index.ts";
import type { Edge } from "../llb/index.ts";
import { type Hold, SCRATCH } from "../record/index.ts";
import type { SolveResult, SolverJob } from "../solver/index.ts";
import { GitSource, HttpSource, ImageSource, type PullPolicy } from "../source/index.ts";
import { unreadableResults } from "./cache/results.ts";
import { type Imports, startImports } from "./cache/imports.ts";
import { solverGraph } from "./graph.ts";
import { waitReporter } from "./progress/transfers.ts";
import type { OpDeps } from "./ops/deps.ts";
import type { WorkShare } from "./store/shared-work.ts";
import { type Result, recordResult } from "./ops/result.ts";
import { sourceTime } from "./ops/source.ts";
import type { BuildOptions } from "./options/options.ts";
import { Progress } from "./progress/progress.ts";
import { Secrets } from "./options/secrets.ts";
import type { Store } from "./store/store.ts";

/** Progress of solving the targets of the build. What is solved on the way, such as a context, does not count. */
type Targets =
  | { readonly kind: "pending" }
  | { readonly kind: "running" }
  | { readonly kind: "solved"; readonly results: readonly SolveResult<Result>[] };

interface SessionParts {
  readonly secrets: Secrets;
  readonly progress: Progress;
  readonly shared: WorkShare;
  readonly own: Lease;
  readonly imports: Imports;
}

/** One build in a store: its leases, its sources and its jobs in the solver. Everything is released when it is disposed of. */
export class Session implements AsyncDisposable {
  readonly store: Store;
  readonly progress: Progress;
  readonly hold: Hold;
  readonly images: ImageSource;
  readonly locals: LocalContexts;
  readonly #stack: AsyncDisposableStack;
  readonly #job: SolverJob<Result>;
  readonly #deps: OpDeps;
  readonly #imports: Imports;
  #targets: Targets = { kind: "pending" };

  private constructor(options: BuildOptions, parts: SessionParts, stack: AsyncDisposableStack) {
    const { store, signal } = options;
    const { secrets, progress, shared, own, imports } = parts;
    this.store = store;
    this.#stack = stack;
    this.progress = progress;
    this.hold = { lease: own, signal };
    const { content, records, registry, images } = store;
    this.images = new ImageSource({ content, images, registry, records });
    this.locals = new LocalContexts(store.state, signal);
    this.#deps = {
      content,
      records,
      cacheMounts: store.cacheMounts,
      images: this.images,
      http: new HttpSource({ content, records, state: store.state }),
      git: new GitSource(records, join(store.root, "git")),
      local: (source) => this.locals.open(source),
      secrets,
      runner: shared.runner,
      platform: hostPlatform(),
      pull: pullPolicy(options),
      hold: { lease: shared.lease, signal },
      limits: { shmSize: options.shmSize },
    };
    this.#imports = imports;
    this.#job = this.#openJob();
  }

  /**
   * Opens a session: reads secrets, takes leases, and starts to import caches in the background.
   *
   * @throws {VarveError} `invalid-argument` for a secret or a cache that cannot be used.
   */
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

  /** Solves the targets of the build and returns their results; an absent edge is scratch. Results are kept until the session ends. */
  async solve(edges: readonly (Edge | undefined)[]): Promise<Result[]> {
    const present = edges.filter((edge) => edge !== undefined);
    this.#targets = { kind: "running" };
    const solved = await this.#solve(present, this.#job);
    this.#targets = { kind: "solved", results: solved };
    const results = new Map(present.map((edge, index) => [edge, solved[index]?.result]));
    return edges.map((edge) =>
      edge === undefined ? recordResult(SCRATCH) : (results.get(edge) ?? recordResult(SCRATCH)),
    );
  }

  /**
   * Solves something that the targets depend on, such as a context, in a job of its own, so that it is not exported to caches.
   * The result is kept until the session ends.
   */
  async prepare(edge: Edge): Promise<Result> {
    const [solved] = await this.#solve([edge], this.#openJob());
    return solved?.result ?? recordResult(SCRATCH);
  }

  /** Whether solving the targets has begun and has not ended. */
  get isUnfinished(): boolean {
    return this.#targets.kind === "running";
  }

  /** The results to export to caches: those of the targets, or after a failure everything that was solved before it. */
  get solved(): readonly SolveResult<Result>[] {
    switch (this.#targets.kind) {
      case "pending":
        return [];
      case "running":
        return this.#job.solved();
      case "solved":
        return this.#targets.results;
    }
  }

  /**
   * Forgets the results that `error` shows to be unreadable, after work on results has failed with it. Returns true if solving
   * again may help.
   */
  async rollBack(error: unknown): Promise<boolean> {
    const isUnreadable = unreadableResults(error, this.store);
    if (isUnreadable === undefined) return false;
    return await this.#job.rollBack(isUnreadable, messageOf(error));
  }

  /** Unique ID of this build. */
  get id(): string {
    return this.hold.lease.id;
  }

  /** Reports the steps that were not needed. */
  finish(): void {
    this.#job.finish();
  }

  /** The functions that compiling a Dockerfile calls. */
  get host(): CompileHost {
    return {
      resolveImage: async (request) => await this.#resolveImage(request),
      ignorePatterns: async (name) => await Promise.resolve(this.locals.ignorePatterns(name)),
      sourceTime: async (edge, signal) =>
        await sourceTime(edge, this.#deps, { ...this.hold, ...(signal && { signal }) }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.store.records.flushUsage();
    await this.#stack.disposeAsync();
  }

  #openJob(): SolverJob<Result> {
    return this.#stack.use(
      this.store.solver.open({
        signal: this.hold.signal,
        caches: this.#imports.caches,
        onEvent: (event) => this.progress.solver(event),
        retain: (result) => this.#retain(result),
      }),
    );
  }

  async #solve(edges: readonly Edge[], job: SolverJob<Result>): Promise<readonly SolveResult<Result>[]> {
    const graph = solverGraph(edges, this.#deps);
    this.progress.expect(graph.steps);
    return await job.solve(graph.edges);
  }

  async #resolveImage(request: ResolveRequest): ReturnType<CompileHost["resolveImage"]> {
    const policy: PullPolicy = request.mode === "pull" ? "always" : this.#deps.pull;
    const signal = request.signal ?? this.hold.signal;
    return await this.progress.activity(request.name, async (activity) => {
      const hold = { lease: this.hold.lease, signal, onWait: waitReporter((line) => activity.report(line)) };
      const image = await this.images.resolve(
        request.reference,
        { platform: normalizePlatform(request.platform), policy },
        hold,
      );
      return { digest: image.digest, config: image.configBytes };
    });
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

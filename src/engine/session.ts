import { type Digest, type Platform, VarveError, messageOf } from "../core/index.ts";
import type { Container, ContainerSpec } from "./container/types.ts";
import { LocalContexts } from "./context/local-contexts.ts";
import type { Lease } from "../content/index.ts";
import type { CompileHost } from "../frontend/index.ts";
import { type Edge, type SourceOp, type Vertex, isInternalName } from "../llb/index.ts";
import { type BlobOptions, type Hold, type RecordId, SCRATCH } from "../record/index.ts";
import type { PlanOptions, PlannedEdge, SolveResult, SolverEvent, SolverJob } from "../solver/index.ts";
import { ImageSource, type LocalContext } from "../source/index.ts";
import { unreadableResults } from "./cache/results.ts";
import { Imports, type ResultCache } from "./cache/imports.ts";
import { solverGraph } from "./graph.ts";
import { SourceLookups } from "./source-lookups.ts";
import type { StepUsages } from "./ops/step-usages.ts";
import type { OpDeps, StepProxies } from "./ops/deps.ts";
import { isTraced, openTracedExec } from "./ops/index.ts";
import type { TracedExec } from "./ops/traced-exec.ts";
import type { SourceMeta, SourceMetaRequest } from "./ops/source-meta.ts";
import type { WorkShare } from "./store/shared-work.ts";
import { type Result, recordResult } from "./ops/result.ts";
import type { CacheSpec } from "./options/options.ts";
import { Explaining } from "./explain/explaining.ts";
import type { Progress } from "./progress/progress.ts";
import type { ClientCaches } from "./client/client.ts";
import type { SessionOptions } from "./options/session-options.ts";
import { Uploads } from "./client/uploads.ts";
import { sessionDeps } from "./session-deps.ts";
import { grantDevices } from "./options/devices.ts";
import { checkEntitlements } from "./options/entitlements.ts";
import { pruneIgnoredMounts } from "./context/ignored-mounts.ts";
import { type RegistryAccess, registryAccess } from "./client/registry-access.ts";
import { recordOf } from "./ops/context-record.ts";
import type { Store } from "./store/store.ts";

/** Progress of solving the targets of the build. What is solved on the way, such as a context, does not count. */
type Targets =
  | { readonly kind: "pending" }
  | { readonly kind: "running" }
  | {
      readonly kind: "solved";
      readonly edges: readonly Edge[];
      readonly results: readonly SolveResult<Result>[];
    };

interface SessionParts {
  readonly shared: WorkShare;
  readonly own: Lease;
  readonly imports: Imports;
  readonly caches: readonly ResultCache[];
  readonly access: RegistryAccess;
  /** See `ExplainingDeps`. */
  readonly unusable: ReadonlyMap<string, string>;
}

/** One build in a store: its leases, its sources and its jobs in the solver. Everything is released when it is disposed of. */
export class Session implements AsyncDisposable {
  readonly store: Store;
  readonly progress: Progress;
  readonly hold: Hold;
  readonly startedAt: Date = new Date();
  readonly images: ImageSource;
  readonly locals: LocalContexts;
  /** What the client uploads, such as the context that it reads from standard input. */
  readonly uploads: Uploads;
  readonly explaining: Explaining;
  /** See `SessionOptions`. */
  readonly project: () => string | Promise<string>;
  /** Returns the client of registries, with the credentials of the build's client. */
  readonly registry: Store["registry"];
  /** The client's directories with caches; undefined if they are directories of this machine. */
  readonly clientCaches: ClientCaches | undefined;
  /** Returns the runner of containers, which is found when the first one has to run. */
  readonly runner: OpDeps["runner"];
  /** The ID of the build, by which the history and explanations know it. */
  readonly ref: string;
  readonly #stack: AsyncDisposableStack;
  readonly #job: SolverJob<Result>;
  readonly #deps: OpDeps;
  readonly #lookups: SourceLookups;
  readonly #imports: Imports;
  /** The imported caches, in the order of lookup. */
  readonly #caches: ResultCache[];
  readonly #allowed: ReadonlySet<string>;
  readonly #wrapHost: SessionOptions["wrapHost"];
  /** IDs of the cache mounts that were emptied because a step ignores the cache. */
  readonly #emptied = new Set<string>();
  readonly #kept = new Set<LocalContext>();
  readonly #stepListeners = new Set<() => void>();
  #targets: Targets = { kind: "pending" };

  private constructor(options: SessionOptions, parts: SessionParts, stack: AsyncDisposableStack) {
    const { store, signal, client, progress } = options;
    const { shared, own, imports, caches, access, unusable } = parts;
    this.store = store;
    this.#stack = stack;
    this.progress = progress;
    this.registry = access.registry;
    this.clientCaches = client.caches;
    const { fetchBlob } = access;
    this.hold = { lease: own, signal, fetchBlob };
    const { content, records, images } = store;
    this.uploads = new Uploads({ client, content, hold: this.hold });
    this.images = new ImageSource({ content, images, registry: access.registry, records });
    this.locals = new LocalContexts({
      state: store.state,
      client,
      hold: this.hold,
      normalize: options.normalizeContext ?? false,
    });
    this.project = options.project ?? (() => "");
    this.explaining = new Explaining({
      store,
      progress,
      project: this.project,
      caches: () => this.#caches,
      unusable,
      signal,
      isOff: options.explain === false,
      hints: options.hints ?? true,
    });
    this.#deps = sessionDeps(options, {
      shared,
      build: own.id,
      fetchBlob,
      images: this.images,
      locals: this.locals,
      uploads: this.uploads,
      explaining: this.explaining,
      project: this.project,
      solve: (edge, ancestors, stop) => this.#solveNested(edge, ancestors, stop),
    });
    this.runner = this.#deps.runner;
    this.#lookups = new SourceLookups(this.#deps, progress, this.hold);
    this.#imports = imports;
    this.#caches = [...caches];
    this.ref = options.ref ?? own.id;
    this.#allowed = options.allowed;
    this.#wrapHost = options.wrapHost;
    this.#job = this.#openJob();
  }

  /**
   * Opens a session: takes leases, and starts to import caches in the background.
   *
   * @throws {VarveError} `invalid-argument` for a cache that cannot be used.
   */
  static async open(options: SessionOptions): Promise<Session> {
    await using stack = new AsyncDisposableStack();
    const { store, client, progress, signal, cacheFrom = [], cachePatience: patience } = options;
    const access = stack.use(registryAccess(store, client));
    const shared = stack.use(await store.work.enter());
    const own = stack.use(await store.content.lease());
    stack.use(store.lostBlobs.enter());
    const unusable = new Map<string, string>();
    const imports = stack.use(
      new Imports({
        store,
        registry: access.registry,
        client: client.caches,
        progress,
        lease: shared.lease,
        signal,
        patience,
        onFailure: (cache, reason) => unusable.set(cache, reason),
      }),
    );
    const caches = await imports.start(cacheFrom);
    return new Session(options, { shared, own, imports, caches, access, unusable }, stack.move());
  }

  /** Starts to import further caches. What is solved from now on is looked up in them too. */
  async importCaches(specs: readonly CacheSpec[]): Promise<void> {
    const caches = await this.#imports.start(specs);
    this.#caches.push(...caches);
    this.#job.addCaches(caches);
  }

  /**
   * Solves the targets of the build and returns their results; an absent edge is scratch. Results are kept until the session ends.
   * `blobs` says how exporters need the layers, if they need no files.
   */
  async solve(edges: readonly (Edge | undefined)[], blobs?: BlobOptions): Promise<Result[]> {
    const present = edges.filter((edge) => edge !== undefined);
    this.#targets = { kind: "running" };
    const solved = await this.#solve(present, this.#job, { ...this.#deps, blobs });
    this.#targets = { kind: "solved", edges: present, results: solved };
    const results = new Map(present.map((edge, index) => [edge, solved[index]?.result]));
    return edges.map((edge) =>
      edge === undefined ? recordResult(SCRATCH) : (results.get(edge) ?? recordResult(SCRATCH)),
    );
  }

  /**
   * Solves one edge of a graph that may become a target, and returns its result; an absent edge is scratch. The result is kept until
   * the session ends.
   */
  async evaluate(edge: Edge | undefined): Promise<Result> {
    if (edge === undefined) return recordResult(SCRATCH);
    const [solved] = await this.#solve([edge], this.#job);
    return solved?.result ?? recordResult(SCRATCH);
  }

  /** Says what solving edges would do, and runs nothing; see `planGraph`. */
  async plan(
    edges: readonly Edge[],
    options: Pick<PlanOptions<Result>, "open" | "isOpaque">,
  ): Promise<PlannedEdge<Result>[]> {
    const granted = await this.#withDevices(edges);
    const graph = solverGraph(granted, { ...this.#deps, readsRecords: false });
    this.explaining.expect(graph.vertices);
    const { signal } = this.hold;
    return await this.store.solver.plan(graph.edges, { ...options, signal, caches: this.#caches });
  }

  /** Returns whether a vertex is a step that is traced. */
  traces(vertex: Vertex): boolean {
    return isTraced(vertex, this.#deps);
  }

  /** Opens a step of a plan that is traced; undefined for one that is not. */
  async tracedExec(vertex: Vertex): Promise<TracedExec | undefined> {
    const { op } = vertex;
    if (op.kind !== "exec" || !this.traces(vertex)) return undefined;
    return await openTracedExec({ ...vertex, op }, { ...this.#deps, readsRecords: false });
  }

  /** Opens a container, in which the client of the build starts processes. The caller releases it before the session ends. */
  async container(spec: ContainerSpec): Promise<Container> {
    const { openContainer } = await import("./container/container.ts");
    return await openContainer(spec, { deps: this.#deps, allowed: this.#allowed });
  }

  /** Returns the record of a result. Copies a context directory into a record. */
  async recordOf(result: Result): Promise<RecordId> {
    return await recordOf(result, this.#deps, this.hold);
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

  /** Calls a listener whenever a step has run, until the returned value is disposed of. */
  onStepEnd(listener: () => void): Disposable {
    this.#stepListeners.add(listener);
    return { [Symbol.dispose]: () => void this.#stepListeners.delete(listener) };
  }

  /** Returns how a target was solved, with its keys; undefined before that. */
  solvedEdge({ vertex: { digest }, output }: Edge): SolveResult<Result> | undefined {
    if (this.#targets.kind !== "solved") return undefined;
    const { edges, results } = this.#targets;
    return results[edges.findIndex((edge) => edge.vertex.digest === digest && edge.output === output)];
  }

  /** Returns what a source is in this build: the digest of an image, a blob or a file, or the commit of a repository. */
  async pin(source: SourceOp, platform: Platform | undefined): Promise<string> {
    return await this.#lookups.pin(source, platform);
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

  /** Returns what is known of a source before its files are fetched. `name` is shown in progress. */
  async sourceMeta(name: string, request: SourceMetaRequest): Promise<SourceMeta> {
    return await this.#lookups.meta(name, request);
  }

  /** What its steps have used. */
  get usages(): StepUsages {
    return this.#deps.usages;
  }

  /** What its steps have requested by proxies; undefined if they have none. */
  get proxies(): StepProxies | undefined {
    return this.#deps.proxy;
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
    const own: CompileHost = {
      resolveImage: async (request) => await this.#lookups.image(request),
      ignorePatterns: async (name) => await this.locals.ignorePatterns(name),
      sourceTime: async (request) => await this.#lookups.time(request),
    };
    return this.#wrapHost === undefined ? own : this.#wrapHost(own);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using _stack = this.#stack;
    await this.explaining.finish(this.ref, this.progress.steps());
    this.store.records.flushUsage();
    // A build that has ended keeps its results even if the machine crashes.
    await this.store.snapshotter.flush();
  }

  async #solveNested(edge: Edge, ancestors: ReadonlySet<Digest>, signal: AbortSignal): Promise<Result> {
    const allowed = await this.#admitted([edge]);
    const graph = solverGraph(allowed, { ...this.#deps, ancestors });
    this.progress.expect(graph.vertices);
    this.explaining.expect(graph.vertices);
    const [solved] = await this.#openJob(signal).solve(graph.edges);
    return solved?.result ?? recordResult(SCRATCH);
  }

  #onEvent(event: SolverEvent): void {
    this.progress.solver(event);
    if (event.kind !== "vertex-completed" || isInternalName(event.name)) return;
    for (const listener of this.#stepListeners) listener();
  }

  #openJob(signal: AbortSignal | undefined = this.hold.signal): SolverJob<Result> {
    return this.#stack.use(
      this.store.solver.open({
        signal,
        caches: this.#caches,
        onEvent: (event) => this.#onEvent(event),
        retain: (result) => this.#retain(result),
      }),
    );
  }

  async #solve(
    edges: readonly Edge[],
    job: SolverJob<Result>,
    deps: OpDeps = this.#deps,
  ): Promise<readonly SolveResult<Result>[]> {
    const allowed = await this.#admitted(edges);
    await pruneIgnoredMounts(edges, this.store.cacheMounts, this.#emptied);
    const graph = solverGraph(allowed, deps);
    this.progress.expect(graph.vertices);
    this.explaining.expect(graph.vertices);
    return await job.solve(graph.edges);
  }

  /** Returns graphs as they may run. Throws `invalid-build` for what the build is not entitled to. */
  async #admitted(edges: readonly Edge[]): Promise<readonly Edge[]> {
    checkEntitlements(edges, this.#allowed);
    return await this.#withDevices(edges);
  }

  async #withDevices(edges: readonly Edge[]): Promise<readonly Edge[]> {
    return await grantDevices(edges, this.#allowed, this.store.devices);
  }

  #retain(result: Result): void {
    if (result.kind === "context") return this.#keepContext(result.context);
    if (this.store.records.pin(result.id, this.hold.lease)) return;
    throw new VarveError("not-found", `Cannot use record ${result.id}: it was collected`, {
      details: { record: result.id },
    });
  }

  /** Keeps a directory that another build may have opened. */
  #keepContext(context: LocalContext): void {
    if (this.#kept.has(context)) return;
    this.#kept.add(context);
    this.#stack.use(context.keep());
  }
}

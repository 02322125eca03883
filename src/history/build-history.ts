import { VarveError } from "../core/index.ts";
import type { Database } from "../state/index.ts";
import { ActiveBuild } from "./active-build.ts";
import { BlobTable } from "./blobs.ts";
import { boundedRequest } from "./bounds.ts";
import { Listener } from "./events.ts";
import { type HistoryFilter, parseHistoryFilters } from "./filters.ts";
import { type LiveBuilds, liveBuilds } from "./live-builds.ts";
import { RecordTable } from "./records.ts";
import { historyTables } from "./schema.ts";
import type { StatusLog } from "./status/status-log.ts";
import type { BuildRecord, BuildRequest, HistoryEvent, HistoryLimits, HistoryQuery, ListenRequest } from "./types.ts";

/**
 * The builds of a root: those that this process runs, and those that any process has run. All histories of one open database have the same
 * running builds and the same listeners. Methods have BuildKit's semantics and throw with its texts.
 */
export class BuildHistory {
  /** The blobs of builds that have ended. */
  readonly blobs: BlobTable;
  readonly #state: Database;
  readonly #records: RecordTable;
  readonly #live: LiveBuilds;
  /** The listeners that were added here. */
  readonly #own = new Set<Listener>();
  #isClosed = false;

  /** @param limits which builds stay, for all histories of this database from now on. Default: as before, at first as BuildKit. */
  constructor(state: Database, limits: Partial<HistoryLimits> = {}) {
    state.install(historyTables);
    this.#state = state;
    this.#records = new RecordTable(state);
    this.blobs = new BlobTable(state);
    this.#live = liveBuilds(state);
    this.#live.limits = { ...this.#live.limits, ...limits };
  }

  /**
   * Adds a build that starts now. It is stored when it is completed. A build of the same ref that has ended is replaced then.
   *
   * @throws {VarveError} `already-exists` if a build of this ref is running; `invalid-argument` for a ref of more than 4096 bytes.
   */
  start(request: BuildRequest, status?: StatusLog): ActiveBuild {
    const { ref } = request;
    const { running } = this.#live;
    if (running.has(ref)) throw new VarveError("already-exists", `Cannot record build ${ref}: it is running`);
    const record: BuildRecord = {
      ...boundedRequest(request),
      createdAt: Date.now(),
      metadata: new Map(),
      results: new Map(),
      steps: { total: 0, cached: 0, completed: 0 },
      warnings: 0,
      isPinned: false,
      generation: 0,
    };
    running.set(ref, { record, status });
    this.#live.emit({ kind: "started", record });
    return new ActiveBuild(record, {
      store: (completed, blobs) => this.#store(completed, blobs),
      end: () => void running.delete(ref),
    });
  }

  /** Returns the status of a build that this process runs, if it is known. */
  runningStatus(ref: string): StatusLog | undefined {
    return this.#live.running.get(ref)?.status;
  }

  /** Returns a build that has ended. */
  get(ref: string): BuildRecord | undefined {
    return this.#live.hidden.has(ref) ? undefined : this.#records.get(ref);
  }

  /**
   * Returns builds that have ended, the newest first.
   *
   * @throws {VarveError} `invalid-argument` for a malformed filter or a negative limit.
   */
  list(query: HistoryQuery = {}): BuildRecord[] {
    return [...this.#matching(query)];
  }

  /**
   * Yields the builds that run, then those that have ended, then what happens from the call on. Events of other processes are not
   * among them.
   *
   * @throws {VarveError} `not-found` if the build is deleted; as `list`; `cancelled`; `limit-exceeded` if the listener is too slow.
   */
  async *listen(request: ListenRequest, signal?: AbortSignal): AsyncGenerator<HistoryEvent> {
    const { ref } = request;
    using stack = new DisposableStack();
    if (ref !== undefined) this.#listenTo(ref, stack);
    const listener = stack.use(this.#addListener(ref));
    const { running, hidden } = this.#live;
    const active = [...running.values()].flatMap(({ record }) =>
      ref === undefined || record.ref === ref ? [record] : [],
    );
    const ended = request.activeOnly === true ? [] : this.#matching(request);
    for (const record of active) if (!hidden.has(record.ref)) yield { kind: "started", record };
    for (const record of ended) yield { kind: "completed", record };
    if (request.earlyExit !== true) yield* listener.events(signal);
  }

  /**
   * Deletes a build that has ended, and its blobs. While somebody listens to it, it is only hidden.
   *
   * @throws {VarveError} `not-found` for an unknown build.
   */
  delete(ref: string): void {
    if (this.#live.listened.has(ref)) {
      this.#live.hidden.add(ref);
      return;
    }
    if (!this.#remove(ref)) throw new VarveError("not-found", `lease ${JSON.stringify(`ref_${ref}`)}: not found`);
  }

  /**
   * Changes whether a build that has ended is kept beyond the limits.
   *
   * @throws {VarveError} `not-found` for an unknown build.
   */
  pin(ref: string, isPinned: boolean): void {
    const record = this.#state.transaction(() => {
      const known = this.#records.get(ref);
      if (known === undefined) throw new VarveError("not-found", `failed to retrieve ref ${ref}: file does not exist`);
      const changed = { ...known, isPinned, generation: known.generation + 1 };
      this.#records.put(changed);
      return changed;
    });
    this.#live.emit({ kind: "completed", record });
  }

  /** Deletes the builds that are beyond the limits. This also happens whenever a build is stored. */
  collect(): void {
    const refs = this.#records.beyond(this.#live.limits, Date.now());
    if (refs.length > 0)
      this.#state.transaction(() => refs.map((ref) => this.#live.listened.has(ref) || this.#remove(ref)));
  }

  /** Ends the listeners of this object, so that a server can stop. */
  close(): void {
    this.#isClosed = true;
    for (const listener of this.#own) listener.end();
  }

  /** Checks a query, and returns the builds that match. */
  #matching({ ref, filters = [], limit = 0 }: HistoryQuery): Iterable<BuildRecord> {
    if (limit < 0) throw new VarveError("invalid-argument", `invalid limit ${limit}`);
    return this.#select(this.#records.newestFirst(ref), parseHistoryFilters(filters), limit === 0 ? Infinity : limit);
  }

  *#select(records: Iterable<BuildRecord>, matches: HistoryFilter, limit: number): Generator<BuildRecord> {
    let left = limit;
    for (const record of records) {
      if (this.#live.hidden.has(record.ref) || !matches(record)) continue;
      yield record;
      left -= 1;
      if (left === 0) return;
    }
  }

  #addListener(ref: string | undefined): Listener {
    const { listeners } = this.#live;
    const listener: Listener = new Listener(ref, () => {
      listeners.delete(listener);
      this.#own.delete(listener);
    });
    listeners.add(listener);
    this.#own.add(listener);
    if (this.#isClosed) listener.end();
    return listener;
  }

  #store(record: BuildRecord, insertBlobs: (table: BlobTable) => void): void {
    this.#state.transaction(() => {
      this.blobs.delete(record.ref);
      this.#records.put(record);
      insertBlobs(this.blobs);
    });
    this.#live.running.delete(record.ref);
    this.#live.emit({ kind: "completed", record });
    this.collect();
  }

  #remove(ref: string): boolean {
    this.#live.hidden.delete(ref);
    const isRemoved = this.#state.transaction(
      () => {
        this.blobs.delete(ref);
        return this.#records.delete(ref);
      },
      { frees: true },
    );
    if (isRemoved) this.#live.emit({ kind: "deleted", ref });
    return isRemoved;
  }

  #listenTo(ref: string, stack: DisposableStack): void {
    if (this.#live.hidden.has(ref)) throw new VarveError("not-found", `ref ${ref} is deleted: file does not exist`);
    this.#live.listened.set(ref, (this.#live.listened.get(ref) ?? 0) + 1);
    stack.defer(() => {
      const count = (this.#live.listened.get(ref) ?? 1) - 1;
      if (count > 0) {
        this.#live.listened.set(ref, count);
        return;
      }
      this.#live.listened.delete(ref);
      if (this.#live.hidden.has(ref)) this.#remove(ref);
    });
  }
}

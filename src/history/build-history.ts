import { VarveError } from "../core/index.ts";
import type { Database } from "../state/index.ts";
import { ActiveBuild } from "./active-build.ts";
import { BlobTable } from "./blobs.ts";
import { Listeners } from "./events.ts";
import { parseHistoryFilters } from "./filters.ts";
import { RecordTable } from "./records.ts";
import { historyTables } from "./schema.ts";
import type { BuildRecord, BuildRequest, HistoryEvent, HistoryLimits, HistoryQuery, ListenRequest } from "./types.ts";

const HOUR = 3_600_000;

/** BuildKit's limits. */
const DEFAULT_LIMITS: HistoryLimits = { maxEntries: 50, maxAge: 48 * HOUR };

/**
 * The builds of a root: those that this process runs, and those that any process has run. Methods have BuildKit's semantics and
 * throw with its texts.
 */
export class BuildHistory {
  /** The blobs of builds that have ended. */
  readonly blobs: BlobTable;
  readonly #state: Database;
  readonly #records: RecordTable;
  readonly #limits: HistoryLimits;
  readonly #active = new Map<string, BuildRecord>();
  readonly #listeners = new Listeners();
  /** The number of listeners of one build. */
  readonly #listened = new Map<string, number>();
  /** Builds that are deleted as soon as nobody listens to them. */
  readonly #hidden = new Set<string>();

  constructor(state: Database, limits: Partial<HistoryLimits> = {}) {
    state.install(historyTables);
    this.#state = state;
    this.#records = new RecordTable(state);
    this.blobs = new BlobTable(state);
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
  }

  /**
   * Adds a build that started now, or at `createdAt`. It is stored when it is completed. A build of the same ref that has ended is replaced then.
   *
   * @throws {VarveError} `already-exists` if a build of this ref is running.
   */
  start(request: BuildRequest, createdAt: number = Date.now()): ActiveBuild {
    const { ref } = request;
    if (this.#active.has(ref)) throw new VarveError("already-exists", `Cannot record build ${ref}: it is running`);
    const record: BuildRecord = {
      ...request,
      createdAt,
      metadata: new Map(),
      results: new Map(),
      steps: { total: 0, cached: 0, completed: 0 },
      warnings: 0,
      isPinned: false,
      generation: 0,
    };
    this.#active.set(ref, record);
    this.#emit({ kind: "started", record });
    return new ActiveBuild(record, {
      store: (completed, blobs) => this.#store(completed, blobs),
      end: () => void this.#active.delete(ref),
    });
  }

  /** Returns a build that has ended. */
  get(ref: string): BuildRecord | undefined {
    return this.#hidden.has(ref) ? undefined : this.#records.get(ref);
  }

  /**
   * Returns builds that have ended, the newest first.
   *
   * @throws {VarveError} `invalid-argument` for a malformed filter or a negative limit.
   */
  list({ ref, filters = [], limit = 0 }: HistoryQuery = {}): BuildRecord[] {
    if (limit < 0) throw new VarveError("invalid-argument", `invalid limit ${limit}`);
    const matches = parseHistoryFilters(filters);
    const found: BuildRecord[] = [];
    for (const record of this.#records.newestFirst(ref)) {
      if (this.#hidden.has(record.ref) || !matches(record)) continue;
      found.push(record);
      if (found.length === limit) break;
    }
    return found;
  }

  /**
   * Yields the builds that run, then those that have ended, then what happens from the call on. Events of other processes are not
   * among them.
   *
   * @throws {VarveError} `not-found` if the build is deleted; `invalid-argument` as `list`; `cancelled`.
   */
  async *listen(request: ListenRequest, signal?: AbortSignal): AsyncGenerator<HistoryEvent> {
    const { ref } = request;
    using stack = new DisposableStack();
    if (ref !== undefined) this.#listenTo(ref, stack);
    const listener = stack.use(this.#listeners.add(ref));
    const active = [...this.#active.values()].filter((record) => ref === undefined || record.ref === ref);
    const ended = request.activeOnly === true ? [] : this.list(request);
    for (const record of active) if (!this.#hidden.has(record.ref)) yield { kind: "started", record };
    for (const record of ended) yield { kind: "completed", record };
    if (request.earlyExit !== true) yield* listener.events(signal);
  }

  /**
   * Deletes a build that has ended, and its blobs. While somebody listens to it, it is only hidden.
   *
   * @throws {VarveError} `not-found` for an unknown build.
   */
  delete(ref: string): void {
    if (this.#listened.has(ref)) {
      this.#hidden.add(ref);
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
    this.#emit({ kind: "completed", record });
  }

  /** Deletes the builds that are beyond the limits. This also happens whenever a build is stored. */
  collect(): void {
    const refs = this.#records.beyond(this.#limits, Date.now());
    if (refs.length > 0) this.#state.transaction(() => refs.map((ref) => this.#listened.has(ref) || this.#remove(ref)));
  }

  /** Ends all listeners, so that a server can stop. */
  close(): void {
    this.#listeners.end();
  }

  #store(record: BuildRecord, insertBlobs: (table: BlobTable) => void): void {
    this.#state.transaction(() => {
      this.blobs.delete(record.ref);
      this.#records.put(record);
      insertBlobs(this.blobs);
    });
    this.#active.delete(record.ref);
    this.#emit({ kind: "completed", record });
    this.collect();
  }

  #remove(ref: string): boolean {
    this.#hidden.delete(ref);
    const isRemoved = this.#state.transaction(
      () => {
        this.blobs.delete(ref);
        return this.#records.delete(ref);
      },
      { frees: true },
    );
    if (isRemoved) this.#emit({ kind: "deleted", ref });
    return isRemoved;
  }

  #listenTo(ref: string, stack: DisposableStack): void {
    if (this.#hidden.has(ref)) throw new VarveError("not-found", `ref ${ref} is deleted: file does not exist`);
    this.#listened.set(ref, (this.#listened.get(ref) ?? 0) + 1);
    stack.defer(() => {
      const count = (this.#listened.get(ref) ?? 1) - 1;
      if (count > 0) {
        this.#listened.set(ref, count);
        return;
      }
      this.#listened.delete(ref);
      if (this.#hidden.has(ref)) this.#remove(ref);
    });
  }

  #emit(event: HistoryEvent): void {
    this.#listeners.emit(event);
  }
}

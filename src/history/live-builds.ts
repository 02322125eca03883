import type { Database } from "../state/index.ts";
import type { Listener } from "./events.ts";
import type { StatusLog } from "./status/status-log.ts";
import type { BuildRecord, HistoryEvent, HistoryLimits } from "./types.ts";

const HOUR = 3_600_000;

/** BuildKit's limits. */
const DEFAULT_LIMITS: HistoryLimits = { maxEntries: 50, maxAge: 48 * HOUR };

export interface RunningBuild {
  readonly record: BuildRecord;
  /** What happens in it, if that is known. */
  readonly status: StatusLog | undefined;
}

/** What all histories of one database have in common in this process: the builds that run, and who listens. */
export class LiveBuilds {
  readonly running: Map<string, RunningBuild> = new Map();
  readonly listeners: Set<Listener> = new Set();
  /** The number of listeners of one build. */
  readonly listened: Map<string, number> = new Map();
  /** Builds that are deleted as soon as nobody listens to them. */
  readonly hidden: Set<string> = new Set();
  /** Which builds stay. */
  limits: HistoryLimits = DEFAULT_LIMITS;

  emit(event: HistoryEvent): void {
    for (const listener of this.listeners) listener.push(event);
  }
}

const live = new WeakMap<Database, LiveBuilds>();

/** Returns what runs on a database. */
export function liveBuilds(state: Database): LiveBuilds {
  const known = live.get(state) ?? new LiveBuilds();
  live.set(state, known);
  return known;
}

import { VarveError } from "../core/index.ts";
import type { Store } from "../engine/index.ts";
import { type ExplainedStep, ExplainTable } from "../explain/index.ts";

/** Why steps of a build were not cached. */
export interface WhyReport {
  /** The build's id. */
  readonly ref: string;
  /** RFC 3339. */
  readonly endedAt: string;
  /** True if every step was cached. Then nothing is known of the steps. */
  readonly isCached: boolean;
  /** The text that selects steps, if one was given. */
  readonly step?: string | undefined;
  readonly steps: readonly ExplainedStep[];
}

/** A build in the history that has ended without an error. */
interface EndedBuild {
  readonly ref: string;
  readonly completedAt: number;
}

/**
 * Returns why steps of a build were not cached. `query` is the beginning of a build's id, or a part of the names of steps of the last
 * build. Default: the last build that has run a step. `last` is the last build of the history, if that is known.
 *
 * @throws {VarveError} `not-found` if there is no such build or step.
 */
export function explainBuild({ state }: Pick<Store, "state">, query = "", last?: EndedBuild): WhyReport {
  const table = new ExplainTable(state);
  const [named] = /^[0-9a-z]{6,}$/.test(query) ? table.builds(query) : [];
  if (named !== undefined) return { ...reported(named), isCached: false };
  const [newest] = table.builds();
  if (query === "" && last !== undefined && last.completedAt > (newest?.endedAt ?? 0) && last.ref !== newest?.ref)
    return { ref: last.ref, endedAt: new Date(last.completedAt).toISOString(), isCached: true, steps: [] };
  if (newest === undefined)
    throw new VarveError("not-found", "Cannot explain a build: no build has run a step in this root");
  if (query === "") return { ...reported(newest), isCached: false };
  const steps = newest.steps.filter(({ name }) => name.includes(query));
  if (steps.length > 0) return { ...reported(newest), isCached: false, step: query, steps };
  throw new VarveError(
    "not-found",
    `Cannot explain ${JSON.stringify(query)}: no such build, and no such step of the last one`,
  );
}

function reported({ ref, endedAt, steps }: ReturnType<ExplainTable["builds"]>[number]): Omit<WhyReport, "isCached"> {
  return { ref, endedAt: new Date(endedAt).toISOString(), steps };
}

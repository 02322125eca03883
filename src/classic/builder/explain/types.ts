import type { LocalImage } from "../../../image/index.ts";
import type { ClassicCache } from "../../cache.ts";
import type { ProbeStep } from "../../types.ts";
import type { StageState } from "../step/stage-state.ts";
import type { Command, Step } from "../step/step.ts";
import type { BuildDeps, BuildRequest } from "../types.ts";

/** A stage as its steps are named. */
export interface StageName {
  /** Empty in a Dockerfile with one unnamed stage. */
  readonly name: string;
  /** What `FROM` names, variables expanded. */
  readonly base: string;
  /** Number of its steps, `FROM` and the triggers of the base image included. */
  readonly total: number;
}

/** A step that was looked up in the cache. */
export interface LookedUp {
  readonly stage: StageName;
  /** From 1, which is `FROM`. */
  readonly number: number;
  readonly command: Command;
  readonly step: Step;
  /** The state of the stage before the step. */
  readonly before: StageState;
  readonly probe: ProbeStep;
  readonly parent: LocalImage | undefined;
  readonly cache: ClassicCache;
  /** True if an earlier step of the stage was not cached. */
  readonly hasMissed: boolean;
}

export interface ExplainingOptions {
  readonly deps: Pick<BuildDeps, "store" | "explains">;
  readonly request: BuildRequest;
  /** The instructions of the Dockerfile, and the labels of the request. */
  readonly commands: readonly Command[];
}

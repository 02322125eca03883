import type { State } from "../../llb/index.ts";
import type { PatternMatcher } from "../../pattern/index.ts";
import type { StageNode } from "../stages/stage-node.ts";
import type { StageState } from "./stage-state.ts";

/** The stages of a pass over a plan, as far as they have come. */
export interface PassStates {
  readonly mainContext: State;
  /** The patterns of the main context's ignore file, for checks. */
  readonly ignored: PatternMatcher | undefined;
  /** Undefined for a stage that comes later. */
  stageOf(node: StageNode): StageState | undefined;
}

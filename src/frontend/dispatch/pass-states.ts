import type { State } from "../../llb/index.ts";
import type { PatternMatcher } from "../../pattern/index.ts";
import type { StageNode } from "../stages/stage-node.ts";
import type { StageState } from "./stage-state.ts";

/** The stages that a pass has compiled so far. */
export interface PassStates {
  readonly mainContext: State;
  /** The patterns of the main context's ignore file, for checks. */
  readonly ignored: PatternMatcher | undefined;
  /** Returns undefined for a stage that is not compiled yet. */
  stageOf(node: StageNode): StageState | undefined;
}

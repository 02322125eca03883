import { checkSignal, expandInstruction } from "../../dockerfile/index.ts";
import { dispatchCopy } from "./copy.ts";
import {
  dispatchArg,
  dispatchCmd,
  dispatchEntrypoint,
  dispatchEnv,
  dispatchExpose,
  dispatchHealthcheck,
  dispatchLabel,
  dispatchMaintainer,
  dispatchShell,
  dispatchStopSignal,
  dispatchUser,
  dispatchVolume,
} from "./config-instructions.ts";
import { dispatchRun } from "./run.ts";
import { dispatchWorkdir } from "./workdir.ts";
import type { PassStates } from "./pass-states.ts";
import type { PlannedInstruction } from "../stages/stage-node.ts";
import type { StageState } from "./stage-state.ts";
import { stageExpander } from "./expansion.ts";

/** Compiles one instruction: changes the stage's filesystem, image config and history. */
export function dispatch(stage: StageState, planned: PlannedInstruction, states: PassStates): void {
  const linter = stage.linter.withComments(planned.instruction.comments);
  const instruction = expandInstruction(planned.instruction, stageExpander(stage, planned.instruction, linter));
  switch (instruction.kind) {
    case "add":
    case "copy":
      return dispatchCopy(stage, instruction, planned, states, linter);
    case "run":
      return dispatchRun(stage, instruction, planned, states);
    case "workdir":
      return dispatchWorkdir(stage, instruction, planned.isOnbuild, linter);
    case "arg":
      return dispatchArg(stage, instruction, linter);
    case "env":
      return dispatchEnv(stage, instruction, linter);
    case "label":
      return dispatchLabel(stage, instruction, linter);
    case "cmd":
      return dispatchCmd(stage, instruction, linter);
    case "entrypoint":
      return dispatchEntrypoint(stage, instruction, linter);
    case "healthcheck":
      return dispatchHealthcheck(stage, instruction, linter);
    case "expose":
      return dispatchExpose(stage, instruction, linter);
    case "volume":
      return dispatchVolume(stage, instruction);
    case "shell":
      return dispatchShell(stage, instruction);
    case "user":
      return dispatchUser(stage, instruction.user);
    case "maintainer":
      return dispatchMaintainer(stage, instruction.name);
    case "stopsignal":
      checkSignal(instruction.signal);
      return dispatchStopSignal(stage, instruction.signal);
    case "onbuild":
      stage.image.config.OnBuild = [...(stage.image.config.OnBuild ?? []), instruction.expression];
  }
}

import { goQuote, NS_PER_SECOND } from "../../core/index.ts";
import type { Linter, WorkdirInstruction } from "../../dockerfile/index.ts";
import { fileActions, parseOwner } from "../../llb/index.ts";
import { addHistory } from "../config/history.ts";
import { isAbsolute, toSlash, workdirPath } from "./paths.ts";
import type { StageState } from "./stage-state.ts";
import { shownCommand } from "./expansion.ts";

/** Sets the working directory of later instructions, without creating it. Returns it in the graph's form. */
export function setWorkdir(stage: StageState, path: string): string {
  const { os } = stage.platform;
  const directory = workdirPath(stage.image.config.WorkingDir ?? "", path, os);
  stage.image.config.WorkingDir = directory;
  stage.state = stage.state.cd(toSlash(directory, os));
  return toSlash(directory, os);
}

function lintRelative(stage: StageState, instruction: WorkdirInstruction, linter: Linter): void {
  if (!stage.workdirSet && !isAbsolute(instruction.path, stage.platform.os)) {
    const message = `Relative workdir ${goQuote(instruction.path)} can have unexpected results if the base image changes`;
    linter.warn("WorkdirRelativePath", instruction.range, message);
  }
  stage.workdirSet = true;
}

/** Compiles WORKDIR: creates the directory, with the current user as its owner, and makes it the working directory. */
export function dispatchWorkdir(
  stage: StageState,
  instruction: WorkdirInstruction,
  isOnbuild: boolean,
  linter: Linter,
): void {
  lintRelative(stage, instruction, linter);
  const directory = setWorkdir(stage, instruction.path);
  const { epoch, file } = stage.context;
  if (directory !== "/") {
    const user = stage.image.config.User ?? "";
    const actions = fileActions().mkdir(directory, 0o755, {
      makeParents: true,
      ...(user === "" ? {} : { owner: parseOwner(user) }),
      ...(epoch === undefined ? {} : { timestamp: BigInt(epoch) * NS_PER_SECOND }),
    });
    const name = stage.stepName(shownCommand(instruction.code, stage.env, file), { isOnbuild });
    stage.state = stage.state.file(actions, { name, platform: stage.platform, policy: instruction.policy });
  }
  addHistory(stage.image, `WORKDIR ${directory}`, directory === "/" ? "empty" : "layer", epoch);
}

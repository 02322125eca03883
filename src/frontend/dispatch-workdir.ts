import { goQuote } from "../core/index.ts";
import type { Linter, WorkdirInstruction } from "../dockerfile/index.ts";
import { fileActions, parseOwner } from "../llb/index.ts";
import { joinPath } from "../pattern/index.ts";
import { addHistory } from "./history.ts";
import type { StageState } from "./stage-state.ts";
import { shownCommand } from "./words.ts";

const NANOSECONDS = 1_000_000_000n;

/**
 * `path` made absolute: relative to `parent`, and then cleaned; an absolute one stays as it is. With `keepSlash` a trailing
 * slash or `/.` stays, which says that a copy's destination is a directory.
 */
export function absolutePath(parent: string, path: string, keepSlash: boolean): string {
  const base = parent.startsWith("/") ? parent : joinPath("/", parent);
  const given = path === "" ? base : path;
  const absolute = given.startsWith("/") ? given : joinPath(base, given);
  if (!keepSlash) return absolute;
  if (path.endsWith("/") && !absolute.endsWith("/")) return `${absolute}/`;
  if (path.endsWith("/.")) return absolute === "/" ? "/." : `${absolute}/.`;
  return absolute;
}

/** Sets the working directory of what follows, without making it. */
export function setWorkdir(stage: StageState, path: string): string {
  const directory = absolutePath(stage.image.config.WorkingDir ?? "", path, false);
  stage.image.config.WorkingDir = directory;
  stage.state = stage.state.cd(directory);
  return directory;
}

function lintRelative(stage: StageState, instruction: WorkdirInstruction, linter: Linter): void {
  if (!stage.workdirSet && !instruction.path.startsWith("/")) {
    const message = `Relative workdir ${goQuote(instruction.path)} can have unexpected results if the base image changes`;
    linter.warn("WorkdirRelativePath", instruction.range, message);
  }
  stage.workdirSet = true;
}

/** WORKDIR: makes the directory, owned by the user of that moment, and goes there. */
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
      ...(epoch === undefined ? {} : { timestamp: BigInt(epoch) * NANOSECONDS }),
    });
    const name = stage.stepName(shownCommand(instruction.code, stage.env, file), { isOnbuild });
    stage.state = stage.state.file(actions, { name, platform: stage.platform });
  }
  addHistory(stage.image, `WORKDIR ${directory}`, directory === "/" ? "empty" : "layer", epoch);
}

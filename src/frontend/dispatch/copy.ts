import { type AddInstruction, type CopyInstruction, type Linter, fault } from "../../dockerfile/index.ts";
import { type FileActions, type OpOptions, type State, merge, parseOwner, scratch } from "../../llb/index.ts";
import { joinPath } from "../../pattern/index.ts";
import { parseChmod } from "./chmod.ts";
import { type CopyJob, checkChecksum, copyActions } from "./copy-sources.ts";
import { addHistory } from "../config/history.ts";
import type { PassStates } from "./pass-states.ts";
import { destinationPath } from "./paths.ts";
import type { PlannedInstruction } from "../stages/stage-node.ts";
import type { StageState } from "./stage-state.ts";
import { shownCommand } from "./expansion.ts";

type Copy = AddInstruction | CopyInstruction;

function historyText(instruction: Copy): string {
  const { chown, chmod, sources, inline, destination } = instruction;
  const words = [
    instruction.kind.toUpperCase(),
    ...(instruction.kind === "copy" && instruction.parents ? ["--parents"] : []),
    ...(chown === "" ? [] : [`--chown=${chown}`]),
    ...(chmod === "" ? [] : [`--chmod=${chmod}`]),
    ...sources,
    ...inline.map(({ path }) => `<<${path}`),
    destination,
  ];
  return `${words.join(" ")} # buildkit`;
}

/** `--link`: copies into an empty filesystem and merges it with the stage, so that the copy's key is independent of the stage. */
function link(stage: StageState, actions: FileActions, options: OpOptions, shown: string, isOnbuild: boolean): State {
  const title = options.name ?? "";
  const id = `link-${stage.node.title}-${stage.image.history.length}`;
  const copied = scratch().file(actions, {
    ...options,
    platform: stage.platform,
    progressGroup: { id, name: title, weak: true },
  });
  const merged = merge([stage.state, copied], {
    ...options,
    name: stage.stepName(`LINK ${shown}`, { isOnbuild, again: true }),
    progressGroup: { id, name: title, weak: false },
  });
  return stage.state.withEdge(merged.edge);
}

function sourceState(stage: StageState, instruction: Copy, planned: PlannedInstruction, states: PassStates): State {
  const [node] = planned.sources;
  if (node === undefined) return states.mainContext;
  const source = states.stageOf(node);
  if (source !== undefined) return source.state;
  const from = instruction.kind === "copy" ? instruction.from : "";
  const current = stage.node.title;
  throw fault(`cannot copy from stage "${from}", it needs to be defined before current stage "${current}"`);
}

/** Records which paths are read, so that only those of a directory are requested. */
function markUsed(stage: StageState, instruction: Copy, planned: PlannedInstruction, states: PassStates): void {
  const [node] = planned.sources;
  const used = node === undefined ? stage.contextPaths : states.stageOf(node)?.paths;
  for (const source of instruction.sources)
    if (instruction.kind !== "add" || !/^https?:\/\//.test(source)) used?.add(joinPath("/", source));
}

/** Compiles COPY or ADD. Variables are expanded already. */
export function dispatchCopy(
  stage: StageState,
  instruction: Copy,
  planned: PlannedInstruction,
  states: PassStates,
  linter: Linter,
): void {
  checkChecksum(instruction);
  const mode = parseChmod(instruction.chmod);
  const from = sourceState(stage, instruction, planned, states);
  const shown = shownCommand(instruction.code, stage.env, stage.context.file);
  const name = stage.stepName(shown, { isOnbuild: planned.isOnbuild });
  const job: CopyJob = {
    instruction,
    stage,
    from,
    destination: destinationPath(stage.state.defaults.dir, instruction.destination, stage.platform.os),
    owner: instruction.chown === "" ? undefined : parseOwner(instruction.chown),
    mode,
    name,
    ignored: planned.sources.length === 0 ? states.ignored : undefined,
    linter,
  };
  const actions = copyActions(job);
  const { policy } = instruction;
  const options = { name, policy, ...(stage.node.ignoreCache ? { ignoreCache: true } : {}) };
  stage.state =
    instruction.link && mode === undefined
      ? link(stage, actions, options, shown, planned.isOnbuild)
      : stage.state.file(actions, options);
  markUsed(stage, instruction, planned, states);
  addHistory(stage.image, historyText(instruction), "layer", stage.context.epoch);
}

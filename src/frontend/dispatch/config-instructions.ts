import { formatGoDuration, goList, goQuote, goQuoteList } from "../../core/index.ts";
import {
  type ArgDefinition,
  type ArgInstruction,
  type CmdInstruction,
  type CommandLine,
  type EntrypointInstruction,
  type EnvInstruction,
  type ExposeInstruction,
  type HealthcheckInstruction,
  type Instruction,
  type KeyValue,
  type LabelInstruction,
  type Linter,
  type ShellInstruction,
  type VolumeInstruction,
  expand,
  exposedPorts,
  fault,
} from "../../dockerfile/index.ts";
import { DEFAULT_SHELL, healthcheckConfig } from "../../image/index.ts";
import { addHistory } from "../config/history.ts";
import { type ImageDraft, addLabels, addMembers, setEnv } from "../config/image-draft.ts";
import type { StageState } from "./stage-state.ts";
import { NON_ENV_ARGS, stageExpander } from "./expansion.ts";

const SECRET = /(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i;
const NO_SECRET = /(?:_|^)(?:public|file|version)(?:_|$)/i;

/** Appends a history entry for an instruction without a layer. */
function addEmptyEntry(stage: StageState, createdBy: string): void {
  addHistory(stage.image, createdBy, "empty", stage.context.epoch);
}

function lintSecret(kind: "ARG" | "ENV", key: string, instruction: Instruction, linter: Linter): void {
  if (!SECRET.test(key) || NO_SECRET.test(key)) return;
  const message = `Do not use ARG or ENV instructions for sensitive data (${kind} ${goQuote(key)})`;
  linter.warn("SecretsUsedInArgOrEnv", instruction.range, message);
}

function lintLegacy(pair: KeyValue, instruction: Instruction, linter: Linter): void {
  if (!pair.legacy) return;
  const name = instruction.keyword;
  const message = `"${name} key=value" should be used instead of legacy "${name} key value" format`;
  linter.warn("LegacyKeyValueFormat", instruction.range, message);
}

/** Warns if an earlier instruction of this kind has no effect. */
function lintUsedOnce(stage: StageState, instruction: Instruction, linter: Linter): void {
  const earlier = stage.lastOf.get(instruction.kind);
  if (earlier !== undefined) {
    const message = `Multiple ${instruction.keyword} instructions should not be used in the same stage because only the last one will be used`;
    linter.warn("MultipleInstructionsDisallowed", earlier, message);
  }
  stage.lastOf.set(instruction.kind, instruction.range);
}

export function dispatchEnv(stage: StageState, instruction: EnvInstruction, linter: Linter): void {
  for (const pair of instruction.variables) {
    lintLegacy(pair, instruction, linter);
    lintSecret("ENV", pair.key, instruction, linter);
  }
  stage.setVariables(instruction.variables.map(({ key, value }) => [key, value]));
  setEnv(stage.image.config, instruction.variables);
  addEmptyEntry(stage, ["ENV", ...instruction.variables.map(({ key, value }) => `${key}=${value}`)].join(" "));
}

export function dispatchLabel(stage: StageState, instruction: LabelInstruction, linter: Linter): void {
  for (const pair of instruction.labels) lintLegacy(pair, instruction, linter);
  const entries = instruction.labels.map(({ key, value }) => [key, value] as const);
  addLabels(stage.image.config, entries);
  addEmptyEntry(stage, ["LABEL", ...entries.map(([key, value]) => `${key}=${value}`)].join(" "));
}

/** Returns the shell of shell-form commands. */
function shellOf({ config, os }: ImageDraft): readonly string[] {
  if (config.Shell !== undefined && config.Shell.length > 0) return config.Shell;
  return os === "windows" ? ["cmd", "/S", "/C"] : DEFAULT_SHELL;
}

/** Returns a shell-form command as arguments of the shell. */
export function withShell(image: ImageDraft, args: readonly string[]): string[] {
  return [...shellOf(image), args.join(" ")];
}

function imageCommand(
  stage: StageState,
  { form, args }: CommandLine,
  instruction: Instruction,
  linter: Linter,
): string[] {
  if (form === "exec") return [...args];
  if ((stage.image.config.Shell ?? []).length === 0) {
    const message = `JSON arguments recommended for ${instruction.keyword} to prevent unintended behavior related to OS signals`;
    linter.warn("JSONArgsRecommended", instruction.range, message);
  }
  return withShell(stage.image, args);
}

export function dispatchCmd(stage: StageState, instruction: CmdInstruction, linter: Linter): void {
  lintUsedOnce(stage, instruction, linter);
  const args = imageCommand(stage, instruction.command, instruction, linter);
  stage.image.config.Cmd = args;
  stage.image.config.ArgsEscaped = true;
  addEmptyEntry(stage, `CMD ${goQuoteList(args)}`);
}

export function dispatchEntrypoint(stage: StageState, instruction: EntrypointInstruction, linter: Linter): void {
  lintUsedOnce(stage, instruction, linter);
  const args = imageCommand(stage, instruction.command, instruction, linter);
  stage.image.config.Entrypoint = args;
  if (!stage.lastOf.has("cmd")) delete stage.image.config.Cmd;
  addEmptyEntry(stage, `ENTRYPOINT ${goQuoteList(args)}`);
}

export function dispatchHealthcheck(stage: StageState, instruction: HealthcheckInstruction, linter: Linter): void {
  lintUsedOnce(stage, instruction, linter);
  const { test, interval, timeout, startPeriod, startInterval, retries } = instruction.healthcheck;
  stage.image.config.Healthcheck = healthcheckConfig(instruction.healthcheck);
  const numbers = { Interval: interval, Timeout: timeout, StartPeriod: startPeriod, StartInterval: startInterval };
  const durations = Object.entries(numbers).map(([name, value]) => `${name}:${formatGoDuration(value)}`);
  addEmptyEntry(stage, `HEALTHCHECK {Test:${goList(test)} ${durations.join(" ")} Retries:${retries}}`);
}

export function dispatchExpose(stage: StageState, instruction: ExposeInstruction, linter: Linter): void {
  const { words } = stageExpander(stage, instruction, linter);
  const ports = exposedPorts(instruction.ports.flatMap(words), instruction.range, linter);
  addMembers(stage.image.config, "ExposedPorts", ports);
  addEmptyEntry(stage, `EXPOSE ${goList(ports)}`);
}

export function dispatchVolume(stage: StageState, { volumes }: VolumeInstruction): void {
  if (volumes.includes("")) throw fault("VOLUME specified can not be an empty string");
  addMembers(stage.image.config, "Volumes", volumes);
  addEmptyEntry(stage, `VOLUME ${goList(volumes)}`);
}

export function dispatchShell(stage: StageState, { shell }: ShellInstruction): void {
  stage.image.config.Shell = [...shell];
  addEmptyEntry(stage, `SHELL ${goList(shell)}`);
}

/** Returns an ARG's value in a stage: the build argument, else its own default, else the global argument's value. */
function argValue(
  stage: StageState,
  arg: ArgDefinition,
  instruction: ArgInstruction,
  linter: Linter,
): string | undefined {
  const buildArg = stage.context.buildArgs.get(arg.key);
  if (buildArg !== undefined) return buildArg;
  if (arg.value === undefined) return stage.context.globals.values.get(arg.key);
  return stageExpander(stage, instruction, linter).word(arg.value);
}

function recordArg(
  stage: StageState,
  arg: ArgDefinition,
  value: string | undefined,
  instruction: ArgInstruction,
): void {
  stage.usedArgs.add(arg.key);
  const inherits = arg.value === undefined && !stage.context.buildArgs.has(arg.key);
  if (inherits && stage.context.globals.values.has(arg.key)) return;
  const uses =
    arg.value === undefined || stage.context.buildArgs.has(arg.key)
      ? new Set<string>()
      : expand(arg.value, stage.env, stage.context.file).matched;
  stage.argInfos.set(arg.key, { definition: arg, value, range: instruction.range, uses });
}

export function dispatchArg(stage: StageState, instruction: ArgInstruction, linter: Linter): void {
  const shown = instruction.args.map((arg) => {
    lintSecret("ARG", arg.key, instruction, linter);
    const value = argValue(stage, arg, instruction, linter);
    recordArg(stage, arg, value, instruction);
    if (value !== undefined && !NON_ENV_ARGS.has(arg.key)) stage.setVariables([[arg.key, value]]);
    stage.buildArgs.set(arg.key, value === undefined ? arg : { ...arg, value });
    return value === undefined ? arg.key : `${arg.key}=${value}`;
  });
  addEmptyEntry(stage, `ARG ${shown.join(" ")}`);
}

export function dispatchUser(stage: StageState, user: string): void {
  setUser(stage, user);
  addEmptyEntry(stage, `USER ${user}`);
}

export function setUser(stage: StageState, user: string): void {
  stage.state = stage.state.user(user);
  stage.image.config.User = user;
}

export function dispatchMaintainer(stage: StageState, name: string): void {
  stage.image.author = name;
  addEmptyEntry(stage, `MAINTAINER ${name}`);
}

export function dispatchStopSignal(stage: StageState, signal: string): void {
  stage.image.config.StopSignal = signal;
  addEmptyEntry(stage, `STOPSIGNAL ${signal}`);
}

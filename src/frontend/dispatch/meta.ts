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
import type { Healthcheck } from "../../image/index.ts";
import { addHistory } from "../config/history.ts";
import { type ImageConfig, addEntries, setEnv } from "../config/image.ts";
import type { StageState } from "./stage-state.ts";
import { NON_ENV_ARGS, stageExpander } from "./words.ts";

const SECRET = /(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i;
const NO_SECRET = /(?:_|^)(?:public|file|version)(?:_|$)/i;

function note(stage: StageState, createdBy: string): void {
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

/** Warns that an earlier instruction of the kind is without effect. */
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
  note(stage, ["ENV", ...instruction.variables.map(({ key, value }) => `${key}=${value}`)].join(" "));
}

export function dispatchLabel(stage: StageState, instruction: LabelInstruction, linter: Linter): void {
  for (const pair of instruction.labels) lintLegacy(pair, instruction, linter);
  const entries = instruction.labels.map(({ key, value }) => [key, value] as const);
  addEntries(stage.image.config, "Labels", entries);
  note(stage, ["LABEL", ...entries.map(([key, value]) => `${key}=${value}`)].join(" "));
}

/** The shell of shell-form commands. */
function shellOf({ config, os }: ImageConfig): readonly string[] {
  if (config.Shell !== undefined && config.Shell.length > 0) return config.Shell;
  return os === "windows" ? ["cmd", "/S", "/C"] : ["/bin/sh", "-c"];
}

/** The arguments with the shell before them. */
export function withShell(image: ImageConfig, args: readonly string[]): string[] {
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
  note(stage, `CMD ${goQuoteList(args)}`);
}

export function dispatchEntrypoint(stage: StageState, instruction: EntrypointInstruction, linter: Linter): void {
  lintUsedOnce(stage, instruction, linter);
  const args = imageCommand(stage, instruction.command, instruction, linter);
  stage.image.config.Entrypoint = args;
  if (!stage.lastOf.has("cmd")) delete stage.image.config.Cmd;
  note(stage, `ENTRYPOINT ${goQuoteList(args)}`);
}

export function dispatchHealthcheck(stage: StageState, instruction: HealthcheckInstruction, linter: Linter): void {
  lintUsedOnce(stage, instruction, linter);
  const { test, interval, timeout, startPeriod, startInterval, retries } = instruction.healthcheck;
  const numbers = { Interval: interval, Timeout: timeout, StartPeriod: startPeriod, StartInterval: startInterval };
  const given = Object.entries({ ...numbers, Retries: retries }).filter(([, value]) => value !== 0);
  const config: Healthcheck = { Test: [...test], ...Object.fromEntries(given) };
  stage.image.config.Healthcheck = config;
  const durations = Object.entries(numbers).map(([name, value]) => `${name}:${formatGoDuration(value)}`);
  note(stage, `HEALTHCHECK {Test:${goList(test)} ${durations.join(" ")} Retries:${retries}}`);
}

export function dispatchExpose(stage: StageState, instruction: ExposeInstruction, linter: Linter): void {
  const { words } = stageExpander(stage, instruction, linter);
  const ports = exposedPorts(instruction.ports.flatMap(words), instruction.range, linter);
  addEntries(
    stage.image.config,
    "ExposedPorts",
    ports.map((port) => [port, {}] as const),
  );
  note(stage, `EXPOSE ${goList(ports)}`);
}

export function dispatchVolume(stage: StageState, { volumes }: VolumeInstruction): void {
  if (volumes.includes("")) throw fault("VOLUME specified can not be an empty string");
  addEntries(
    stage.image.config,
    "Volumes",
    volumes.map((volume) => [volume, {}] as const),
  );
  note(stage, `VOLUME ${goList(volumes)}`);
}

export function dispatchShell(stage: StageState, { shell }: ShellInstruction): void {
  stage.image.config.Shell = [...shell];
  note(stage, `SHELL ${goList(shell)}`);
}

/** The value an ARG has in a stage: given with the build, its own default, or that of the ARG before the first FROM. */
function argValue(
  stage: StageState,
  arg: ArgDefinition,
  instruction: ArgInstruction,
  linter: Linter,
): string | undefined {
  const given = stage.context.buildArgs.get(arg.key);
  if (given !== undefined) return given;
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
  note(stage, `ARG ${shown.join(" ")}`);
}

export function dispatchUser(stage: StageState, user: string): void {
  setUser(stage, user);
  note(stage, `USER ${user}`);
}

export function setUser(stage: StageState, user: string): void {
  stage.state = stage.state.user(user);
  stage.image.config.User = user;
}

export function dispatchMaintainer(stage: StageState, name: string): void {
  stage.image.author = name;
  note(stage, `MAINTAINER ${name}`);
}

export function dispatchStopSignal(stage: StageState, signal: string): void {
  stage.image.config.StopSignal = signal;
  note(stage, `STOPSIGNAL ${signal}`);
}

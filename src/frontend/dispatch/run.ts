import { type RunMount, type RunOptions, fileActions, internalName, scratch } from "../../llb/index.ts";
import { type InlineFile, type RunInstruction, chompHeredoc, fault, tryHeredocHead } from "../../dockerfile/index.ts";
import { joinPath, trimSpace } from "../../pattern/index.ts";
import { withShell } from "./config-instructions.ts";
import { addHistory } from "../config/history.ts";
import type { PassStates } from "./pass-states.ts";
import { runMounts } from "./run-mounts.ts";
import type { PlannedInstruction, StageNode } from "../stages/stage-node.ts";
import type { StageState } from "./stage-state.ts";
import { shownCommand } from "./expansion.ts";

/** A command without its shell. */
interface Command {
  readonly args: readonly string[];
  /** Mount of a heredoc's script that begins with `#!`. */
  readonly mount?: RunMount | undefined;
  /** Appended to the command's text in progress. */
  readonly summary: string;
  /** True if a shell runs the arguments. */
  readonly shell: boolean;
}

const SCRIPTS = "/dev/pipes/";

/** Returns the first line of a heredoc's body, for progress. */
function summarise(data: string): string {
  const [first = "", ...more] = trimSpace(data).replaceAll("\r\n", "\n").split("\n");
  return ` (${first}${more.length === 0 ? "" : "..."})`;
}

/** Returns the command for a script with its own interpreter: a file that is mounted and run. */
function scriptFile(stage: StageState, name: string, data: string): Command {
  const file = fileActions().mkfile(name, 0o755, data);
  const options = { name: internalName("preparing inline document"), platform: stage.platform };
  const mount: RunMount = {
    type: "bind",
    target: SCRIPTS,
    source: scratch().file(file, options),
    selector: "/",
    readonly: true,
  };
  return { args: [joinPath(SCRIPTS, name)], mount, summary: summarise(data), shell: true };
}

function withFiles(stage: StageState, text: string, files: readonly InlineFile[]): Command {
  const [first] = files;
  if (first === undefined || tryHeredocHead(text) === undefined) {
    const bodies = files.map(({ name, data }) => `\n${data}${name}`);
    return { args: [text + bodies.join("")], summary: "", shell: true };
  }
  const data = first.chomp ? chompHeredoc(first.data) : first.data;
  if (stage.image.os !== "windows" && data.startsWith("#!"))
    return { ...scriptFile(stage, first.name, data), summary: summarise(first.data) };
  return { args: [data], summary: summarise(first.data), shell: true };
}

function commandOf(stage: StageState, { command }: RunInstruction): Command {
  const { form, args, files } = command;
  if (files.length === 0) return { args, summary: "", shell: form === "shell" };
  const [text, ...more] = args;
  if (form === "exec" || text === undefined || more.length > 0) throw fault("parsing produced an invalid run command");
  return withFiles(stage, text, files);
}

/** Returns a step's text in the history, as in Docker: the build arguments that the step sees, then its command. */
function historyText(stage: StageState, args: readonly string[], env: ReadonlyMap<string, string>): string {
  const shown = Array.from(stage.buildArgs, ([key, { value }]) => `${key}=${env.get(key) ?? value ?? ""}`);
  return [...(shown.length === 0 ? [] : [`|${shown.length}`, ...shown]), ...args].join(" ");
}

/** Returns the stage's variables, with masked values for those that contain secrets in this step. */
function shownEnv(stage: StageState, { mounts }: RunInstruction): ReadonlyMap<string, string> {
  const secrets = mounts.flatMap(({ type, env }) => (type === "secret" && env !== undefined ? [env] : []));
  return secrets.length === 0 ? stage.env : new Map([...stage.env, ...secrets.map((name) => [name, "****"] as const)]);
}

function stepTitle(stage: StageState, instruction: RunInstruction, summary: string, isOnbuild: boolean): string {
  const options = { escape: stage.context.file.escape, rawQuotes: true, keepUnset: true };
  const text = shownCommand(instruction.code + summary, shownEnv(stage, instruction), options);
  const { platform = stage.platform } = stage.state.defaults;
  return stage.stepName(text, { isOnbuild, platform });
}

/** Returns the options that the build sets for every step. */
function buildOptions({ context, node }: StageState): Partial<RunOptions> {
  const { options, proxyEnv } = context;
  return {
    ...(node.ignoreCache ? { ignoreCache: true } : {}),
    proxyEnv,
    extraHosts: options.extraHosts,
    ulimits: options.ulimits,
    ...(options.cgroupParent === undefined || options.cgroupParent === ""
      ? {}
      : { cgroupParent: options.cgroupParent }),
    linuxResources: options.linuxResources,
  };
}

function sharedMemory({ context }: StageState): RunMount[] {
  const { shmSize = 0 } = context.options;
  return shmSize > 0 ? [{ type: "tmpfs", target: "/dev/shm", size: shmSize }] : [];
}

function runOptions(
  stage: StageState,
  instruction: RunInstruction,
  sources: readonly StageNode[],
  states: PassStates,
  command: Command,
): Omit<RunOptions, "args" | "name"> {
  const { mounts, secrets, ssh } = runMounts(stage, instruction, sources, states);
  return {
    ...buildOptions(stage),
    description: { "com.docker.dockerfile.v1.command": instruction.code },
    policy: instruction.policy,
    mounts: [...(command.mount === undefined ? [] : [command.mount]), ...mounts, ...sharedMemory(stage)],
    secrets,
    ssh,
    security: instruction.security,
    ...(instruction.network === "default" ? {} : { network: instruction.network }),
    cdiDevices: [
      ...(stage.context.options.devices ?? []),
      ...instruction.devices.map(({ name, required }) => ({ name, optional: !required })),
    ],
  };
}

/** Compiles RUN. Variables in its mounts are expanded already. */
export function dispatchRun(
  stage: StageState,
  instruction: RunInstruction,
  { sources, isOnbuild }: PlannedInstruction,
  states: PassStates,
): void {
  stage.paths.add("/");
  const command = commandOf(stage, instruction);
  const isShell = command.shell;
  const args = isShell ? withShell(stage.image, command.args) : [...command.args];
  const options = runOptions(stage, instruction, sources, states, command);
  const { env } = stage;
  const name = stepTitle(stage, instruction, command.summary, isOnbuild);
  stage.state = stage.state.run({ ...options, args, name }).root;
  const text = `RUN ${historyText(stage, args, env)} # buildkit`;
  addHistory(stage.image, text, "layer", stage.context.epoch);
}

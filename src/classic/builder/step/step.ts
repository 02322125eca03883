import type { ExpandOptions, Instruction } from "../../../dockerfile/index.ts";
import type { ContainerConfig } from "../../../image/index.ts";
import { joinPath } from "../../../pattern/index.ts";
import { type CopySource, hashOf } from "../copy/copy-sources.ts";
import { needsBuildKit, stepError } from "../failure.ts";
import { type MetadataStep, commandOf, labelStep, metadataStep } from "./metadata-step.ts";
import { type StageState, expanderOf, shellOf, withRun } from "./stage-state.ts";

/** LABEL of the request: as it is. */
export interface LabelRequest {
  readonly kind: "label-request";
  readonly code: string;
  readonly key: string;
  readonly value: string;
}

export type Command = Instruction | LabelRequest;

/** What has to be done for a step that the cache does not know. */
export type Work =
  | { readonly kind: "metadata" }
  | { readonly kind: "workdir"; readonly path: string }
  | {
      readonly kind: "copy";
      readonly sources: readonly CopySource[];
      /** Absolute; one that ends in "/" is a directory. */
      readonly destination: string;
      readonly chown: string;
      /** Without `chown`, owners of the sources stay. */
      readonly keepOwners: boolean;
      readonly unpack: boolean;
    }
  | {
      readonly kind: "run";
      /** None where there is nothing to run. */
      readonly args: readonly string[];
      /** What an error calls the command. */
      readonly shown: string;
      readonly env: readonly string[];
    };

/** A step, ready to be looked up and made. */
export interface Step {
  /** After the step. */
  readonly state: StageState;
  /** What the cache compares and the image is committed with. */
  readonly probe: ContainerConfig;
  readonly createdBy: string;
  readonly note?: string | undefined;
  readonly work: Work;
}

/** What the sources of COPY and ADD are, which takes more than the Dockerfile. */
export type ResolveSources = (
  instruction: Extract<Instruction, { kind: "copy" | "add" }>,
  sources: readonly string[],
  destination: string,
) => Promise<readonly CopySource[]>;

export interface StepHost {
  readonly expansion: ExpandOptions;
  readonly resolveSources: ResolveSources;
}

const COMMENT = "#(nop) ";

/** What an instruction amounts to in a state: nothing is made and nothing changed. Throws what is wrong with it. */
export async function planStep(command: Command, state: StageState, host: StepHost): Promise<Step> {
  switch (command.kind) {
    case "label-request":
      return commented(labelStep(state, [command]));
    case "run":
      return runStep(command, state);
    case "workdir":
      return workdirStep(command.path, state, host);
    case "copy":
    case "add":
      return await copyStep(command, state, host);
    default:
      return commented(metadataStep(command, state, expanderOf(state, host.expansion)));
  }
}

/** Metadata: the comment is two words. */
function commented({ state, text, note }: MetadataStep): Step {
  const Cmd = [...shellOf(state.run), COMMENT, text];
  return stepOf(state, Cmd, { kind: "metadata" }, note);
}

/** Files: the comment is one word. */
function oneWord(state: StageState, text: string, work: Work): Step {
  return stepOf(state, [...shellOf(state.run), COMMENT + text], work);
}

function stepOf(state: StageState, Cmd: readonly string[], work: Work, note?: string): Step {
  return {
    state,
    probe: { ...state.run, Cmd },
    createdBy: Cmd.join(" "),
    work,
    note,
  };
}

function workdirStep(written: string, state: StageState, { expansion }: StepHost): Step {
  const path = expanderOf(state, expansion).word(written);
  if (path === "") throw stepError("cannot normalize nothing");
  const WorkingDir = path.startsWith("/") ? joinPath(path) : joinPath("/", state.run.WorkingDir ?? "", path);
  return oneWord(withRun(state, { WorkingDir }), `WORKDIR ${WorkingDir}`, { kind: "workdir", path: WorkingDir });
}

/** Of an instruction as it is written; the parser knows flags by their values only. */
function firstFlag(code: string): string | undefined {
  return /^\S+\s+--([a-z-]+)/i.exec(code)?.[1];
}

function runStep(command: Extract<Instruction, { kind: "run" }>, state: StageState): Step {
  const flag = firstFlag(command.code);
  if (flag !== undefined) throw needsBuildKit(flag);
  const args = commandOf(command.command, state);
  const given = state.args.notIn(state.run.Env ?? []);
  const keyed = given.filter((entry) => state.args.isKeyed(entry));
  const Cmd = given.length === 0 ? args : [`|${keyed.length}`, ...keyed, ...args];
  const { Entrypoint, ...run } = state.run;
  const kept = Cmd.length > 0 || Entrypoint === undefined ? run : { ...run, Entrypoint };
  return {
    state,
    probe: { ...kept, Cmd, ArgsEscaped: false },
    createdBy: Cmd.join(" "),
    work: {
      kind: "run",
      ...(Cmd.length > 0 ? { args, shown: args.join(" ") } : imageCommand(state.run)),
      env: [...(state.run.Env ?? []), ...given],
    },
  };
}

/** `RUN []` runs what a container of the image runs. */
function imageCommand({ Entrypoint = [], Cmd = [] }: ContainerConfig): { args: readonly string[]; shown: string } {
  return Entrypoint.length > 0 ? { args: Entrypoint, shown: "" } : { args: Cmd, shown: Cmd.join(" ") };
}

type Copying = Extract<Instruction, { kind: "copy" | "add" }>;

/** What only BuildKit does, in the order in which it is looked for. */
function unknownFlag(command: Copying): string | undefined {
  if (command.chmod !== "") return "chmod";
  if (command.link) return "link";
  if (command.exclude.length > 0) return "exclude";
  if (command.kind === "copy") return command.parents ? "parents" : undefined;
  if (command.checksum !== "") return "checksum";
  if (command.keepGitDir !== undefined) return "keep-git-dir";
  return command.unpack === undefined ? undefined : "unpack";
}

async function copyStep(command: Copying, state: StageState, host: StepHost): Promise<Step> {
  const flag = unknownFlag(command);
  if (flag !== undefined) throw needsBuildKit(flag);
  const { word } = expanderOf(state, host.expansion);
  const name = command.kind.toUpperCase();
  const chown = word(command.chown);
  const written = word(command.destination);
  const sources = await host.resolveSources(command, command.sources.map(word), written);
  if (sources.length > 1 && !written.endsWith("/"))
    throw stepError(
      `When using ${name} with more than one source file, the destination must be a directory and end with a /`,
    );
  const from = chown === "" ? "" : `--chown=${chown} `;
  return oneWord(state, `${name} ${from}${hashOf(sources)} in ${written} `, {
    kind: "copy",
    sources,
    destination: absolute(written, state.run.WorkingDir ?? ""),
    chown,
    keepOwners: command.kind === "copy" && command.from !== "",
    unpack: command.kind === "add",
  });
}

function absolute(destination: string, workingDir: string): string {
  if (destination.startsWith("/")) return destination;
  const joined = joinPath("/", workingDir, destination);
  return destination.endsWith("/") && joined !== "/" ? `${joined}/` : joined;
}

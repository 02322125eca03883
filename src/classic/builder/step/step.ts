import type { ExpandOptions, Instruction } from "../../../dockerfile/index.ts";
import type { ContainerConfig } from "../../../image/index.ts";
import { joinPath } from "../../../pattern/index.ts";
import { type CopySource, hashOf } from "../copy/copy-sources.ts";
import { stepError } from "../failure.ts";
import { type MetadataStep, commandOf, labelStep, metadataStep } from "./metadata-step.ts";
import { type StageState, expanderOf, shellOf, withRun } from "./stage-state.ts";

/** A label of the build request, which is not expanded. */
export interface LabelRequest {
  readonly kind: "label-request";
  readonly code: string;
  readonly key: string;
  readonly value: string;
}

export type Command = Instruction | LabelRequest;

/** What has to be done for a step after a cache miss. */
export type Work =
  | { readonly kind: "metadata" }
  | { readonly kind: "workdir"; readonly path: string }
  | {
      readonly kind: "copy";
      readonly sources: readonly CopySource[];
      /** Absolute. One that ends in "/" is a directory. */
      readonly destination: string;
      readonly chown: string;
      /** True to keep the sources' owners if `chown` is empty. */
      readonly keepOwners: boolean;
      readonly unpack: boolean;
    }
  | {
      readonly kind: "run";
      /** Empty if there is nothing to run. */
      readonly args: readonly string[];
      /** The command in error messages. */
      readonly shown: string;
      readonly env: readonly string[];
    };

/** A planned step, ready for the cache lookup. */
export interface Step {
  /** The state after the step. */
  readonly state: StageState;
  /** The container config that the cache compares and the image is committed with. */
  readonly probe: ContainerConfig;
  readonly createdBy: string;
  readonly note?: string | undefined;
  readonly work: Work;
}

/** Finds the sources of COPY and ADD. */
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

/**
 * Plans an instruction: returns the state after it and the work to do. Makes and changes nothing, so that it also serves to look
 * ahead. The instruction has no feature that only BuildKit has (`language.ts`). Throws the daemon's error for a wrong instruction.
 */
export async function planStep(command: Command, state: StageState, host: StepHost): Promise<Step> {
  switch (command.kind) {
    case "label-request":
      return metadata(labelStep(state, [command]));
    case "run":
      return runStep(command, state);
    case "workdir":
      return workdirStep(command.path, state, host);
    case "copy":
    case "add":
      return await copyStep(command, state, host);
    default:
      return metadata(metadataStep(command, state, expanderOf(state, host.expansion)));
  }
}

/** A step without files. Its history comment is two words. */
function metadata({ state, text, note }: MetadataStep): Step {
  const Cmd = [...shellOf(state.run), COMMENT, text];
  return stepOf(state, Cmd, { kind: "metadata" }, note);
}

/** A step that changes files. Its history comment is one word. */
function fileStep(state: StageState, text: string, work: Work): Step {
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
  return fileStep(withRun(state, { WorkingDir }), `WORKDIR ${WorkingDir}`, { kind: "workdir", path: WorkingDir });
}

function runStep(command: Extract<Instruction, { kind: "run" }>, state: StageState): Step {
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

/** `RUN []` runs the image's own entrypoint or command. */
function imageCommand({ Entrypoint = [], Cmd = [] }: ContainerConfig): { args: readonly string[]; shown: string } {
  return Entrypoint.length > 0 ? { args: Entrypoint, shown: "" } : { args: Cmd, shown: Cmd.join(" ") };
}

type Copying = Extract<Instruction, { kind: "copy" | "add" }>;

async function copyStep(command: Copying, state: StageState, host: StepHost): Promise<Step> {
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
  return fileStep(state, `${name} ${from}${hashOf(sources)} in ${written} `, {
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

import { formatGoDuration, goList, goQuoteList, goQuoteRune } from "../../../core/index.ts";
import {
  type HealthcheckInstruction,
  type Instruction,
  Linter,
  checkSignal,
  exposedPorts,
  fault,
} from "../../../dockerfile/index.ts";
import { healthcheckConfig, withExposedPorts, withLabels, withTrigger, withVolumes } from "../../../image/index.ts";
import { type Expander, type StageState, shellOf, withRun, withVariables } from "./stage-state.ts";

/** An instruction that changes only the config. */
export type MetadataInstruction = Exclude<Instruction, { kind: "run" | "copy" | "add" | "workdir" }>;

export interface MetadataStep {
  readonly state: StageState;
  /** The text after `#(nop) ` in the history. */
  readonly text: string;
  /** A message for the client, sent before the step is made. */
  readonly note?: string | undefined;
}

/**
 * Returns the stage's state after an instruction, and the instruction's text.
 * @throws {VarveError} `invalid-build` for a wrong value, `limit-exceeded` for too many variables.
 */
export function metadataStep(
  instruction: MetadataInstruction,
  state: StageState,
  { word, words }: Expander,
): MetadataStep {
  const { run } = state;
  switch (instruction.kind) {
    case "env": {
      const pairs = instruction.variables.map(({ key, value }) => ({ key: word(key), value: word(value) }));
      return { state: withVariables(state, pairs), text: `ENV${joined(pairs)}` };
    }
    case "label": {
      const pairs = instruction.labels.map(({ key, value }) => ({ key: word(key), value: word(value) }));
      return labelStep(state, pairs);
    }
    case "maintainer":
      return { state: { ...state, author: instruction.name }, text: `MAINTAINER ${instruction.name}` };
    case "expose": {
      const ports = instruction.ports.flatMap(words);
      const found = exposedPorts(ports, instruction.range, new Linter());
      return { state: { ...state, run: withExposedPorts(run, found) }, text: `EXPOSE ${ports.join(" ")}` };
    }
    case "user": {
      const User = word(instruction.user);
      return { state: withRun(state, { User }), text: `USER ${User}` };
    }
    case "volume": {
      const volumes = instruction.volumes.map(word);
      if (volumes.includes("")) throw fault("VOLUME specified can not be an empty string");
      return { state: { ...state, run: withVolumes(run, volumes) }, text: `VOLUME ${goList(volumes)}` };
    }
    case "stopsignal": {
      const StopSignal = word(instruction.signal);
      checkSignal(StopSignal);
      return { state: withRun(state, { StopSignal }), text: `STOPSIGNAL ${StopSignal}` };
    }
    case "healthcheck":
      return healthcheckStep(instruction.healthcheck, state);
    case "shell":
      return { state: withRun(state, { Shell: instruction.shell }), text: `SHELL ${goList(instruction.shell)}` };
    case "cmd": {
      const Cmd = commandOf(instruction.command, state);
      const cmdSet = state.cmdSet || instruction.command.args.length > 0;
      return { state: { ...withRun(state, { Cmd, ArgsEscaped: false }), cmdSet }, text: `CMD ${goQuoteList(Cmd)}` };
    }
    case "entrypoint": {
      const Entrypoint = commandOf(instruction.command, state);
      const { Cmd, ...rest } = run;
      const kept = state.cmdSet && Cmd !== undefined ? { ...rest, Cmd } : rest;
      return {
        state: { ...state, run: { ...kept, Entrypoint, ArgsEscaped: false } },
        text: `ENTRYPOINT ${goQuoteList(Entrypoint)}`,
      };
    }
    case "onbuild": {
      const { expression } = instruction;
      return { state: { ...state, run: withTrigger(run, expression) }, text: `ONBUILD ${expression}` };
    }
    case "arg": {
      const args = instruction.args.map(({ key, value }) => ({
        key: word(key),
        value: value === undefined ? undefined : word(value),
      }));
      const shown = args.map(({ key, value }) => (value === undefined ? key : `${key}=${value}`));
      return { state: { ...state, args: state.args.declare(args) }, text: `ARG ${shown.join(" ")}` };
    }
  }
}

interface Pair {
  readonly key: string;
  readonly value: string;
}

function joined(pairs: readonly Pair[]): string {
  return pairs.map(({ key, value }) => ` ${key}=${value}`).join("");
}

/** Returns the step of a LABEL. Keys and values are not expanded any more. */
export function labelStep(state: StageState, pairs: readonly Pair[]): MetadataStep {
  return { state: { ...state, run: withLabels(state.run, pairs) }, text: `LABEL${joined(pairs)}` };
}

/** Returns the words of a command: those of the exec form, or the shell and the command's text. */
export function commandOf(
  { form, args }: { readonly form: "shell" | "exec"; readonly args: readonly string[] },
  { run }: StageState,
): readonly string[] {
  return form === "exec" || args.length === 0 ? args : [...shellOf(run), ...args];
}

function healthcheckStep(check: HealthcheckInstruction["healthcheck"], state: StageState): MetadataStep {
  const { test, interval, timeout, startPeriod, startInterval, retries } = check;
  const old = state.run.Healthcheck?.Test ?? [];
  const times = [interval, timeout, startPeriod, startInterval].map((time) => `"${formatGoDuration(time)}"`);
  return {
    state: withRun(state, { Healthcheck: healthcheckConfig(check) }),
    text: `HEALTHCHECK &{${goQuoteList(test)} ${times.join(" ")} ${goQuoteRune(retries)}}`,
    note: old.length > 0 && old[0] !== "NONE" ? `Note: overriding previous HEALTHCHECK: ${goList(old)}\n` : undefined,
  };
}

import { formatGoDuration, goList, goQuoteList, goQuoteRune } from "../../../core/index.ts";
import { type Instruction, Linter, checkSignal, exposedPorts, fault } from "../../../dockerfile/index.ts";
import type { Healthcheck } from "../../../image/index.ts";
import { type Expander, type StageState, shellOf, withRun, withVariables } from "./stage-state.ts";

/** An instruction that changes the config alone. */
export type MetadataInstruction = Exclude<Instruction, { kind: "run" | "copy" | "add" | "workdir" }>;

export interface MetadataStep {
  readonly state: StageState;
  /** What follows `#(nop) ` in the history. */
  readonly text: string;
  /** Told before the step is made. */
  readonly note?: string | undefined;
}

/** What an instruction does to the state of its stage, and its text. Throws `invalid-build`. */
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
      const ExposedPorts = new Set([...(run.ExposedPorts ?? []), ...found]);
      return { state: withRun(state, { ExposedPorts }), text: `EXPOSE ${ports.join(" ")}` };
    }
    case "user": {
      const User = word(instruction.user);
      return { state: withRun(state, { User }), text: `USER ${User}` };
    }
    case "volume": {
      const volumes = instruction.volumes.map(word);
      if (volumes.includes("")) throw fault("VOLUME specified can not be an empty string");
      const Volumes = new Set([...(run.Volumes ?? []), ...volumes]);
      return { state: withRun(state, { Volumes }), text: `VOLUME ${goList(volumes)}` };
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
      const OnBuild = [...(run.OnBuild ?? []), instruction.expression];
      return { state: withRun(state, { OnBuild }), text: `ONBUILD ${instruction.expression}` };
    }
    case "arg": {
      const args = instruction.args.map(({ key, value }) => ({
        key: word(key),
        ...(value === undefined ? {} : { value: word(value) }),
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

/** LABEL, with words that are expanded already or not to be. */
export function labelStep(state: StageState, pairs: readonly Pair[]): MetadataStep {
  const Labels = new Map([...(state.run.Labels ?? []), ...pairs.map(({ key, value }) => [key, value] as const)]);
  return { state: withRun(state, { Labels }), text: `LABEL${joined(pairs)}` };
}

/** The words of a command: its own, or the shell's with one text. */
export function commandOf(
  { form, args }: { readonly form: "shell" | "exec"; readonly args: readonly string[] },
  { run }: StageState,
): readonly string[] {
  return form === "exec" || args.length === 0 ? args : [...shellOf(run), ...args];
}

type WrittenHealthcheck = Extract<Instruction, { kind: "healthcheck" }>["healthcheck"];

function healthcheckStep(check: WrittenHealthcheck, state: StageState): MetadataStep {
  const { test, interval, timeout, startPeriod, startInterval, retries } = check;
  const Healthcheck: Healthcheck = {
    Test: test,
    Interval: interval,
    Timeout: timeout,
    StartPeriod: startPeriod,
    StartInterval: startInterval,
    Retries: retries,
  };
  const old = state.run.Healthcheck?.Test ?? [];
  const times = [interval, timeout, startPeriod, startInterval].map((time) => `"${formatGoDuration(time)}"`);
  return {
    state: withRun(state, { Healthcheck }),
    text: `HEALTHCHECK &{${goQuoteList(test)} ${times.join(" ")} ${goQuoteRune(retries)}}`,
    ...(old.length > 0 && old[0] !== "NONE" && { note: `Note: overriding previous HEALTHCHECK: ${goList(old)}\n` }),
  };
}

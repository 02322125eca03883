import { splitEnv, withEnv } from "../../../core/index.ts";
import { type ExpandOptions, type KeyValue, checkVariables, expand } from "../../../dockerfile/index.ts";
import type { ContainerConfig } from "../../../image/index.ts";
import type { BuildArgs } from "./build-args.ts";

/** What the steps of a stage change, besides files. */
export interface StageState {
  readonly run: ContainerConfig;
  readonly author: string;
  /** CMD was given in this stage: ENTRYPOINT leaves it alone. */
  readonly cmdSet: boolean;
  readonly args: BuildArgs;
}

const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const DEFAULT_SHELL: readonly string[] = ["/bin/sh", "-c"];

/** The beginning of a stage on an image, or on nothing. */
export function beginStage(config: ContainerConfig | undefined, args: BuildArgs): StageState {
  const { OpenStdin: _open, StdinOnce: _once, ...rest } = config ?? {};
  const env = rest.Env ?? [];
  const Env = env.some((each) => each.startsWith("PATH=")) ? env : [...env, DEFAULT_PATH];
  return { run: { ...rest, Env }, author: "", cmdSet: false, args };
}

export function withRun(state: StageState, fields: ContainerConfig): StageState {
  return { ...state, run: { ...state.run, ...fields } };
}

/** In effect after the step's own instruction. */
export function shellOf({ Shell = [] }: ContainerConfig): readonly string[] {
  return Shell.length === 0 ? DEFAULT_SHELL : Shell;
}

/** Sets variables where their names stand, or at the end. Throws `limit-exceeded` for too many. */
export function withVariables(state: StageState, variables: readonly Pick<KeyValue, "key" | "value">[]): StageState {
  const Env = withEnv(state.run.Env ?? [], variables);
  checkVariables(Env.length);
  return withRun(state, { Env });
}

/** Words with the variables of before the step. */
export interface Expander {
  readonly word: (text: string) => string;
  readonly words: (text: string) => readonly string[];
}

export function expanderOf({ run: { Env = [] }, args }: StageState, options: ExpandOptions): Expander {
  const variables = new Map<string, string>();
  for (const entry of [...args.notIn(Env), ...Env]) {
    variables.set(...splitEnv(entry));
  }
  return {
    word: (text) => expand(text, variables, options).text,
    words: (text) => expand(text, variables, options).words,
  };
}

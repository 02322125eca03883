import { splitEnv, withEnv } from "../../../core/index.ts";
import { type ExpandOptions, type KeyValue, checkVariables, expand } from "../../../dockerfile/index.ts";
import { type ContainerConfig, DEFAULT_PATH, DEFAULT_SHELL } from "../../../image/index.ts";
import type { BuildArgs } from "./build-args.ts";

/** The state of a stage, except its files. */
export interface StageState {
  readonly run: ContainerConfig;
  readonly author: string;
  /** True if this stage has set CMD. ENTRYPOINT then does not reset it. */
  readonly cmdSet: boolean;
  readonly args: BuildArgs;
}

/** Returns the initial state of a stage on an image, or on scratch. */
export function beginStage(config: ContainerConfig | undefined, args: BuildArgs): StageState {
  const { OpenStdin: _open, StdinOnce: _once, ...rest } = config ?? {};
  const env = rest.Env ?? [];
  const Env = env.some((each) => each.startsWith("PATH=")) ? env : [...env, `PATH=${DEFAULT_PATH}`];
  return { run: { ...rest, Env }, author: "", cmdSet: false, args };
}

/** Returns the state with some fields of its config replaced. */
export function withRun(state: StageState, fields: ContainerConfig): StageState {
  return { ...state, run: { ...state.run, ...fields } };
}

/** Returns the shell of shell-form commands. */
export function shellOf({ Shell = [] }: ContainerConfig): readonly string[] {
  return Shell.length === 0 ? DEFAULT_SHELL : Shell;
}

/**
 * Sets variables. An existing variable keeps its position; new ones are appended.
 * @throws {VarveError} `limit-exceeded` for too many variables.
 */
export function withVariables(state: StageState, variables: readonly Pick<KeyValue, "key" | "value">[]): StageState {
  const Env = withEnv(state.run.Env ?? [], variables);
  checkVariables(Env.length);
  return withRun(state, { Env });
}

/** Expands words with the variables before the step. */
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

import { normalizePlatform, VarveError, type Platform } from "../../core/index.ts";
import { fileVertex, type FileActions } from "./file-actions.ts";
import { initialDefaults, resolveDir, type Filesystem, type StateDefaults } from "./filesystem.ts";
import { EMPTY, type Edge } from "../model/op.ts";
import { metadataOf, type OpOptions } from "./options.ts";
import { runVertex, type RunOptions } from "./run.ts";
import { makeVertex } from "../model/vertex.ts";

/**
 * A filesystem at some point of a build, and the settings that the next operations inherit. Immutable: every operation returns
 * a new state. Each operation serialises its vertex at once, byte for byte as BuildKit's Go client does.
 *
 * Start with `image`, `local`, `git`, `http` or `scratch`.
 */
export class State implements Filesystem {
  /** The output of a vertex; undefined for an empty filesystem (scratch). */
  readonly edge: Edge | undefined;
  readonly defaults: StateDefaults;

  constructor(edge: Edge | undefined, defaults: StateDefaults = initialDefaults) {
    this.edge = edge;
    this.defaults = defaults;
  }

  /** Replaces some of the settings that later operations inherit. */
  with(changes: Partial<StateDefaults>): State {
    const platform = changes.platform === undefined ? {} : { platform: normalizePlatform(changes.platform) };
    return new State(this.edge, { ...this.defaults, ...changes, ...platform });
  }

  /** Sets an environment variable. A variable that was set before moves to the end. */
  addEnv(name: string, value: string): State {
    return this.addEnvs([[name, value]]);
  }

  /** Sets several environment variables; faster than repeated `addEnv`. */
  addEnvs(entries: Iterable<readonly [name: string, value: string]>): State {
    const env = new Map(this.defaults.env);
    for (const [name, value] of entries) {
      env.delete(name);
      env.set(name, value);
    }
    return this.with({ env });
  }

  /** Sets the working directory. A relative path is relative to the current working directory. */
  cd(dir: string): State {
    return this.with({ dir: resolveDir(this.defaults, dir) });
  }

  /** Sets the user of later commands: `name`, `uid`, `name:group` or `uid:gid`. */
  user(user: string): State {
    return this.with({ user });
  }

  /** Returns a state with the same settings and another filesystem. */
  withEdge(edge: Edge | undefined, platform?: Platform): State {
    const next = new State(edge, this.defaults);
    return platform === undefined ? next : next.with({ platform });
  }

  /**
   * Runs a command on this filesystem. Returns the filesystems after the command.
   *
   * @throws {VarveError} `invalid-argument` if the command has no arguments.
   */
  run(options: RunOptions): ExecState {
    const { root, mount } = runVertex(this, options);
    const toState = ({ edge, defaults }: Filesystem, made: boolean): State => {
      const state = new State(edge, defaults);
      return made && options.platform !== undefined ? state.with({ platform: options.platform }) : state;
    };
    return {
      root: toState(root, options.readonlyRoot !== true),
      mount: (target) => {
        const { filesystem, made } = mount(target);
        return toState(filesystem, made);
      },
    };
  }

  /**
   * Changes files of this filesystem.
   *
   * @throws {VarveError} `invalid-argument` if there are no actions.
   */
  file(actions: FileActions, options: OpOptions = {}): State {
    return this.withEdge({ vertex: fileVertex(this, actions, options), output: 0 }, options.platform);
  }
}

/** The filesystems after a command. */
export interface ExecState {
  readonly root: State;
  /**
   * Returns the filesystem mounted at `target`.
   *
   * @throws {VarveError} `invalid-argument` if there is no such mount, or if what is written to it is discarded.
   */
  readonly mount: (target: string) => State;
}

/** Returns a state with an empty filesystem. */
export function scratch(): State {
  return new State(undefined);
}

/** Stacks the layers of several states, lowest first. Scratch adds nothing; the result for a single state is that state. */
export function merge(states: readonly State[], options: OpOptions = {}): State {
  const layered = states.filter((state) => state.edge !== undefined);
  const [first] = layered;
  if (first === undefined) return scratch();
  if (layered.length === 1) return first;
  const vertex = makeVertex({
    op: { kind: "merge", inputs: layered.map((_, index) => index) },
    inputs: layered.flatMap(({ edge }) => (edge === undefined ? [] : [edge])),
    constraints: options.constraints ?? [],
    metadata: metadataOf(options),
  });
  return first.withEdge({ vertex, output: 0 });
}

/** Returns a state with the changes from `lower` to `upper`: merging it on `lower` gives `upper`. */
export function diff(lower: State, upper: State, options: OpOptions = {}): State {
  if (lower.edge === undefined) return upper.edge === undefined ? scratch() : upper;
  const vertex = makeVertex({
    op: { kind: "diff", lower: 0, upper: upper.edge === undefined ? EMPTY : 1 },
    inputs: upper.edge === undefined ? [lower.edge] : [lower.edge, upper.edge],
    constraints: options.constraints ?? [],
    metadata: metadataOf(options),
  });
  return lower.withEdge({ vertex, output: 0 });
}

/**
 * Returns a state with the same filesystem that is built only after the other states have been built.
 *
 * @throws {VarveError} `invalid-argument` if `state` is scratch.
 */
export function requires(state: State, id: string, others: readonly State[], options: OpOptions = {}): State {
  if (others.length === 0) return state;
  const inputs = [state, ...others].flatMap(({ edge }) => (edge === undefined ? [] : [edge]));
  if (state.edge === undefined)
    throw new VarveError("invalid-argument", "Cannot make scratch wait for another state: it has no vertex");
  const vertex = makeVertex({
    op: { kind: "passthrough", id, outputs: [0] },
    inputs,
    constraints: options.constraints ?? [],
    metadata: metadataOf(options),
  });
  return state.withEdge({ vertex, output: 0 });
}

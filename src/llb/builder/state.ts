import { normalizePlatform, VarveError, type Platform } from "../../core/index.ts";
import { fileVertex, type FileActions } from "./file-actions.ts";
import { initialDefaults, resolveDir, type Filesystem, type StateDefaults } from "./filesystem.ts";
import { EMPTY, type Edge } from "../model/op.ts";
import { metadataOf, type OpOptions } from "./options.ts";
import { runVertex, type RunOptions } from "./run.ts";
import { makeVertex } from "../model/vertex.ts";

/**
 * A filesystem at some point of a build, and what the next command runs with. Immutable: every operation returns a new
 * state. Vertices are serialised at once and are the same as those of BuildKit's Go client.
 */
export class State implements Filesystem {
  /** Undefined is scratch: an empty filesystem. */
  readonly edge: Edge | undefined;
  readonly defaults: StateDefaults;

  constructor(edge: Edge | undefined, defaults: StateDefaults = initialDefaults) {
    this.edge = edge;
    this.defaults = defaults;
  }

  /** Replaces some of what later operations inherit. */
  with(changes: Partial<StateDefaults>): State {
    const platform = changes.platform === undefined ? {} : { platform: normalizePlatform(changes.platform) };
    return new State(this.edge, { ...this.defaults, ...changes, ...platform });
  }

  /** Sets a variable; one set before moves to the end. */
  addEnv(name: string, value: string): State {
    return this.addEnvs([[name, value]]);
  }

  /** As `addEnv` for each of them, at the cost of one. */
  addEnvs(entries: Iterable<readonly [name: string, value: string]>): State {
    const env = new Map(this.defaults.env);
    for (const [name, value] of entries) {
      env.delete(name);
      env.set(name, value);
    }
    return this.with({ env });
  }

  /** Sets the working directory; a relative one is joined to the present one. An absolute one is kept as it is. */
  cd(dir: string): State {
    return this.with({ dir: resolveDir(this.defaults, dir) });
  }

  user(user: string): State {
    return this.with({ user });
  }

  /** The same defaults on another filesystem. */
  withEdge(edge: Edge | undefined, platform?: Platform): State {
    const next = new State(edge, this.defaults);
    return platform === undefined ? next : next.with({ platform });
  }

  /** Runs a command on this filesystem. */
  run(options: RunOptions): ExecState {
    const { root, mount } = runVertex(this, options);
    const stateOf = ({ edge, defaults }: Filesystem, made: boolean): State => {
      const state = new State(edge, defaults);
      return made && options.platform !== undefined ? state.with({ platform: options.platform }) : state;
    };
    return {
      root: stateOf(root, options.readonlyRoot !== true),
      mount: (target) => {
        const { filesystem, made } = mount(target);
        return stateOf(filesystem, made);
      },
    };
  }

  /** Changes files of this filesystem. */
  file(actions: FileActions, options: OpOptions = {}): State {
    return this.withEdge({ vertex: fileVertex(this, actions, options), output: 0 }, options.platform);
  }
}

/** The filesystems a command leaves behind. */
export interface ExecState {
  readonly root: State;
  /** The mount at a target after the command; throws `invalid-argument` for one that keeps nothing. */
  readonly mount: (target: string) => State;
}

/** An empty filesystem. */
export function scratch(): State {
  return new State(undefined);
}

/** The states' layers one upon the other, lowest first. Scratch adds nothing; of one state, that state. */
export function merge(states: readonly State[], options: OpOptions = {}): State {
  const real = states.filter((state) => state.edge !== undefined);
  const [first] = real;
  if (first === undefined) return scratch();
  if (real.length === 1) return first;
  const vertex = makeVertex({
    op: { kind: "merge", inputs: real.map((_, index) => index) },
    inputs: real.flatMap(({ edge }) => (edge === undefined ? [] : [edge])),
    constraints: options.constraints ?? [],
    metadata: metadataOf(options),
  });
  return first.withEdge({ vertex, output: 0 });
}

/** What has to be laid upon `lower` to get `upper`. */
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

/** This state, but only once the others have been built. */
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

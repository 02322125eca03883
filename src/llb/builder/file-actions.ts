import { VarveError } from "../../core/index.ts";
import { cleanPath, joinPath } from "../../pattern/index.ts";
import {
  KEEP_MODE,
  NO_TIMESTAMP,
  type Chown,
  type FileAction,
  type FileActionBody,
  type Timestamp,
} from "../model/file-op.ts";
import type { Filesystem } from "./filesystem.ts";
import { InputNumbers } from "./input-numbers.ts";
import { EMPTY, SKIP_OUTPUT, type Edge, type Vertex } from "../model/op.ts";
import { metadataOf, type OpOptions } from "./options.ts";
import { makeVertex } from "../model/vertex.ts";

/** An owner: numbers, or names. Names are looked up in the filesystem that is changed. */
export interface Owner {
  readonly user?: string | number | undefined;
  readonly group?: string | number | undefined;
}

/** Options of all actions that create files. */
export interface CreateOptions {
  readonly owner?: Owner | undefined;
  /** Nanoseconds since 1970. Default: see `NO_TIMESTAMP`. */
  readonly timestamp?: Timestamp | undefined;
}

/** Options of `FileActions.copy`. The fields are those of BuildKit's `pb.FileActionCopy`; see `CopyAction`. */
export interface CopyOptions extends CreateOptions {
  /** Permission bits, or a symbolic change (`u+x`). Default: those of the source. */
  readonly mode?: number | string | undefined;
  readonly followSymlink?: boolean | undefined;
  readonly dirCopyContents?: boolean | undefined;
  readonly attemptUnpack?: boolean | undefined;
  readonly createDestPath?: boolean | undefined;
  readonly allowWildcard?: boolean | undefined;
  readonly allowEmptyWildcard?: boolean | undefined;
  readonly includePatterns?: readonly string[] | undefined;
  readonly excludePatterns?: readonly string[] | undefined;
  readonly requiredPaths?: readonly string[] | undefined;
  readonly alwaysReplaceExistingDestPaths?: boolean | undefined;
}

/** Options of `FileActions.mkdir`. */
export interface MkdirOptions extends CreateOptions {
  /** Create missing parent directories, and accept a directory that exists. */
  readonly makeParents?: boolean | undefined;
}

/** Options of `FileActions.rm`. */
export interface RmOptions {
  readonly allowNotFound?: boolean | undefined;
  readonly allowWildcard?: boolean | undefined;
}

/** What a copy reads from: a filesystem, or the result of other actions on a filesystem, which become part of the same op. */
export type CopySource = Filesystem | { readonly actions: FileActions; readonly on: Filesystem };

/** Makes an action's body. `dir` is the working directory; `base` is the number of the input in which user names are looked up. */
export type ActionBody = (dir: string, base: number) => FileActionBody;

export interface ActionStep {
  readonly body: ActionBody;
  readonly source?: CopySource | undefined;
}

/**
 * A sequence of changes to files, applied in order by `State.file`. Immutable: each method returns a longer sequence. Relative
 * paths are relative to the working directory of the state that is changed.
 *
 * @example
 * const changed = state.file(fileActions().mkdir("/app", 0o755).copy(context, "/src", "/app/", { dirCopyContents: true }));
 */
export class FileActions {
  readonly previous: FileActions | undefined;
  readonly step: ActionStep | undefined;

  constructor(previous?: FileActions, step?: ActionStep) {
    this.previous = previous;
    this.step = step;
  }

  /** Copies `src` of another filesystem to `dest`. */
  copy(source: CopySource, src: string, dest: string, options: CopyOptions = {}): FileActions {
    const sourceDir = ("on" in source ? source.on : source).defaults.dir;
    const clean = cleanPath(src);
    const from = clean.startsWith("/") ? clean : joinPath(sourceDir || "/", clean);
    return this.#add((dir, base) => copyBody(from, normalizePath(dir, dest, true), options, base), source);
  }

  /** Creates a file with permission bits `mode` and content `data`, or replaces it. */
  mkfile(path: string, mode: number, data: Uint8Array | string, options: CreateOptions = {}): FileActions {
    return this.#add((dir, base) => {
      return {
        kind: "mkfile",
        path: normalizePath(dir, path, false),
        mode: mode & 0o777,
        data: typeof data === "string" ? Buffer.from(data) : data,
        ...common(options, base),
      };
    });
  }

  /** Creates a directory with permission bits `mode`. */
  mkdir(path: string, mode: number, options: MkdirOptions = {}): FileActions {
    return this.#add((dir, base) => {
      return {
        kind: "mkdir",
        path: normalizePath(dir, path, false),
        mode: mode & 0o777,
        makeParents: options.makeParents ?? false,
        ...common(options, base),
      };
    });
  }

  /** Creates a symbolic link at `newpath` with the target `oldpath`. */
  symlink(oldpath: string, newpath: string, options: CreateOptions = {}): FileActions {
    return this.#add((_dir, base) => {
      return { kind: "symlink", oldpath, newpath, ...common(options, base) };
    });
  }

  /** Removes a file or a directory with everything in it. */
  rm(path: string, options: RmOptions = {}): FileActions {
    return this.#add((dir) => {
      return {
        kind: "rm",
        path: normalizePath(dir, path, false),
        allowNotFound: options.allowNotFound ?? false,
        allowWildcard: options.allowWildcard ?? false,
      };
    });
  }

  #add(body: ActionBody, source?: CopySource): FileActions {
    const previous = this.step === undefined ? undefined : this;
    return new FileActions(previous, { body, source });
  }
}

/** Returns an empty sequence of file actions. */
export function fileActions(): FileActions {
  return new FileActions();
}

/** Parses `user` or `user:group`, with names or numbers. `root` is 0. */
export function parseOwner(text: string): Owner {
  const at = text.indexOf(":");
  const part = (name: string): string | number => {
    if (name === "root") return 0;
    const id = /^[+-]?\d+$/.test(name) ? Number(name) : Number.NaN;
    return id >= -0x8000_0000 && id <= 0x7fff_ffff ? id : name;
  };
  if (at < 0) return { user: part(text) };
  return { user: part(text.slice(0, at)), group: part(text.slice(at + 1)) };
}

function normalizePath(dir: string, path: string, keepSlash: boolean): string {
  const clean = cleanPath(path);
  const absolute = clean.startsWith("/") ? clean : joinPath("/", dir, clean);
  if (!keepSlash) return absolute;
  if (path.endsWith("/") && !absolute.endsWith("/")) return `${absolute}/`;
  if (path.endsWith("/.")) return absolute === "/" ? "/." : `${absolute}/.`;
  return absolute;
}

function copyBody(src: string, dest: string, options: CopyOptions, base: number): FileActionBody {
  const { mode } = options;
  const symbolic = typeof mode === "string";
  return {
    kind: "copy",
    src,
    dest,
    mode: mode === undefined ? KEEP_MODE : symbolic ? 0 : mode,
    modeStr: symbolic ? mode : "",
    followSymlink: options.followSymlink ?? false,
    dirCopyContents: options.dirCopyContents ?? false,
    attemptUnpack: options.attemptUnpack ?? false,
    createDestPath: options.createDestPath ?? false,
    allowWildcard: options.allowWildcard ?? false,
    allowEmptyWildcard: options.allowEmptyWildcard ?? false,
    includePatterns: options.includePatterns ?? [],
    excludePatterns: options.excludePatterns ?? [],
    requiredPaths: options.requiredPaths ?? [],
    alwaysReplaceExistingDestPaths: options.alwaysReplaceExistingDestPaths ?? false,
    ...common(options, base),
  };
}

function common(options: CreateOptions, base: number): { owner?: Chown | undefined; timestamp: Timestamp } {
  const timestamp = options.timestamp ?? NO_TIMESTAMP;
  const { owner } = options;
  if (owner === undefined) return { timestamp };
  const ref = (value: string | number): NonNullable<Chown["user"]> =>
    typeof value === "number" || value === ""
      ? { kind: "id", id: Number(value) >>> 0 }
      : { kind: "name", name: value, input: base };
  return {
    timestamp,
    owner: {
      ...(owner.user === undefined ? {} : { user: ref(owner.user) }),
      ...(owner.group === undefined ? {} : { group: ref(owner.group) }),
    },
  };
}

/** An action with the numbers of its operands. */
interface PlacedAction {
  readonly step: ActionStep;
  readonly on: Filesystem;
  /** The number of the filesystem that is changed, `EMPTY` for scratch. */
  readonly base: number;
  readonly input: Operand;
  readonly secondary: Operand;
}

/** An input of the op, or the result of an earlier action. */
type Operand = { readonly input: number } | { readonly action: number };

/** Numbers the actions and the inputs of one file op. */
class ActionLayout {
  readonly inputs: InputNumbers = new InputNumbers();
  readonly placed: PlacedAction[] = [];
  /** Numbers of the actions that were placed, by the filesystem they change. */
  readonly #numbers = new Map<FileActions, Map<Filesystem, number>>();

  /** Places a sequence of actions and the actions that its copies read from. Returns the number of the last action. */
  place(actions: FileActions, on: Filesystem): number {
    const open: FileActions[] = [];
    for (let row = actions.previous; row !== undefined; row = row.previous) {
      if (this.#numbers.get(row)?.has(on) === true) break;
      open.push(row);
    }
    for (const row of open.toReversed()) this.#placeLast(row, on);
    return this.#placeLast(actions, on);
  }

  /** Places the last action of a sequence, whose previous actions are placed. Returns its number. */
  #placeLast(actions: FileActions, on: Filesystem): number {
    const placed = this.#numbers.get(actions)?.get(on);
    if (placed !== undefined) return placed;
    const { step } = actions;
    if (step === undefined) throw new VarveError("invalid-argument", "Cannot change files: there is no action");
    const previous = actions.previous === undefined ? undefined : this.#numbers.get(actions.previous)?.get(on);
    const base = this.inputs.number(on);
    const input: Operand = previous === undefined ? { input: base } : { action: previous };
    const secondary = this.#source(step.source);
    const index = this.placed.push({ step, on, base, input, secondary }) - 1;
    const numbers = this.#numbers.get(actions) ?? new Map<Filesystem, number>();
    this.#numbers.set(actions, numbers.set(on, index));
    return index;
  }

  index(operand: Operand): number {
    return "input" in operand ? operand.input : this.inputs.edges.length + operand.action;
  }

  #source(source: CopySource | undefined): Operand {
    if (source === undefined) return { input: EMPTY };
    if ("on" in source) return { action: this.place(source.actions, source.on) };
    return { input: this.inputs.number(source) };
  }
}

/** Yields the inputs of a sequence of actions in the order in which BuildKit's client walks them: from the last action to the first. */
function* treesOf(actions: FileActions | undefined, on: Filesystem): Generator<Edge> {
  if (on.edge !== undefined) yield on.edge;
  for (let row = actions; row !== undefined; row = row.previous) {
    const source = row.step?.source;
    if (source === undefined) continue;
    if ("on" in source) yield* treesOf(source.actions, source.on);
    else if (source.edge !== undefined) yield source.edge;
  }
}

/**
 * Returns the vertex that applies a sequence of actions to a filesystem. File vertices have no platform.
 *
 * @throws {VarveError} `invalid-argument` if the sequence is empty.
 */
export function fileVertex(state: Filesystem, actions: FileActions, options: OpOptions): Vertex {
  const layout = new ActionLayout();
  const last = layout.place(actions, state);
  const bound = layout.placed.map(({ step, on, base, input, secondary }, index): FileAction => {
    return {
      input: layout.index(input),
      secondaryInput: layout.index(secondary),
      output: index === last ? 0 : SKIP_OUTPUT,
      ...step.body(on.defaults.dir, base),
    };
  });
  return makeVertex({
    op: { kind: "file", actions: bound },
    inputs: layout.inputs.edges,
    walked: [...treesOf(actions, state)],
    constraints: options.constraints ?? [],
    metadata: metadataOf(options),
  });
}

import { VarveError, compareBytes } from "../../core/index.ts";
import { type Hold, type MutableLayer, type RecordId, SCRATCH, execDescription } from "../../record/index.ts";
import { join, posix } from "node:path";
import type { RunMount } from "../../exec/index.ts";
import { Root } from "../../linux/index.ts";
import { type BindMount, type CacheMount, EMPTY, type Mount, ROOT_MOUNT, SKIP_OUTPUT } from "../../llb/index.ts";
import { copyTree } from "../../snapshot/index.ts";
import { recordOf } from "./context-record.ts";
import type { ExecDeps } from "./deps.ts";
import { type Result, recordResult } from "./result.ts";

/** A mount that shows files of an input, and that is an overlay of its own. */
export interface LayeredMount {
  /** The number of the mount in its op. */
  readonly index: number;
  /** Its part in `StepMounts.mounts`. Its source is `tree`, or the part of it that the mount selects. */
  readonly mount: Extract<RunMount, { kind: "bind" }>;
  readonly tree: string;
  /** The directory with what the step writes. */
  readonly upper: string | undefined;
}

/** The prepared mounts of a step, as the runner takes them. */
export interface StepMounts {
  readonly rootfs: string;
  readonly readonlyRootfs: boolean;
  readonly mounts: readonly RunMount[];
  /** The directory of each mount that shows files of a layer or a cache, by its number: also the part that a selector hides. */
  readonly trees: ReadonlyMap<number, string>;
  /** The bind mounts of inputs, if they were to be layered. */
  readonly layered: readonly LayeredMount[];
  /** Commits the writable mounts that are outputs, by output index. */
  commit(): Promise<ReadonlyMap<number, Result>>;
  /** Commits what the step wrote to its bind mounts, after it has failed. Returns what each mount showed. */
  commitFailed(): Promise<readonly (Result | undefined)[]>;
}

interface Context {
  /** Each bind mount of an input is an overlay of its own, as the root is, also one that cannot be written to. Default: false. */
  readonly layered?: boolean | undefined;
  readonly deps: ExecDeps;
  readonly inputs: readonly Result[];
  readonly hold: Hold;
  readonly stack: AsyncDisposableStack;
  readonly description: string;
  /** The cache mounts of this step by key: two mounts with one key are one directory, even if it is locked. */
  readonly caches: Map<string, OpenedCache>;
}

interface Tree {
  readonly path: string;
  readonly readonly: boolean;
  readonly layer: MutableLayer | undefined;
  /** The writable layer, also of a mount whose changes are discarded. */
  readonly written: MutableLayer | undefined;
  /** The directory of a mount that is an overlay of its own, with what is written to it. */
  readonly upper: string | undefined;
}

/** What a mount becomes after the step: a new layer, or the input that it showed. */
type Output = { readonly layer: MutableLayer } | { readonly result: Result };

/**
 * Prepares the mounts of a step. Disposing of the context's `stack` undoes all of them. Relative targets start at `cwd`, the step's
 * working directory. Mounts are sorted by target, as in BuildKit.
 *
 * @throws {VarveError} `invalid-build` if the step has no root filesystem, or if the source of a mount does not exist.
 */
export async function openMounts(
  all: readonly Mount[],
  cwd: string,
  parts: Omit<Context, "caches">,
): Promise<StepMounts> {
  const context: Context = { ...parts, caches: new Map() };
  const outputs = new Map<number, Output>();
  const mounts: RunMount[] = [];
  const written: (MutableLayer | undefined)[] = [];
  const trees = new Map<number, string>();
  const layered: LayeredMount[] = [];
  let root: Tree | undefined;
  for (const [index, mount] of all.entries()) {
    if (mount.dest === ROOT_MOUNT && mount.type !== "bind")
      throw new VarveError("invalid-build", `invalid mount type ${mount.type.toUpperCase()} for ${mount.dest}`);
    if (mount.type === "bind") {
      const tree = await openBind(mount, context);
      const output = outputOf(mount, tree, context);
      written[index] = tree.written;
      trees.set(index, tree.path);
      if (output !== undefined) outputs.set(mount.output, output);
      if (mount.dest === ROOT_MOUNT) root = tree;
      else {
        const bind = bindOf(mount, tree, cwd);
        mounts.push(bind);
        if (context.layered === true && mount.input !== EMPTY)
          layered.push({ index, mount: bind, tree: tree.path, upper: tree.upper });
      }
    } else {
      const other = await openOther(mount, targetOf(mount, cwd), context);
      mounts.push(...other);
      for (const each of other) if (each.kind === "bind") trees.set(index, each.source);
      // As in BuildKit, what a step wrote to a cache mount stays there: the output is the input.
      if (mount.type === "cache" && mount.output !== SKIP_OUTPUT && mount.input !== EMPTY)
        outputs.set(mount.output, { result: inputOf(mount, context) });
    }
  }
  mounts.sort((a, b) => compareBytes(a.target, b.target));
  if (root === undefined) throw new VarveError("invalid-build", "Cannot run step: it has no root filesystem");
  return {
    rootfs: root.path,
    readonlyRootfs: root.readonly,
    mounts,
    trees,
    layered,
    commit: () => commit(outputs),
    commitFailed: () => commitFailed(all, written, context),
  };
}

/** Returns the input of each mount of a step; undefined for a mount of another kind. */
export function mountedInputs(mounts: readonly Mount[], inputs: readonly Result[]): readonly (Result | undefined)[] {
  return mounts.map(({ input }) => inputs[input]);
}

async function commitFailed(
  mounts: readonly Mount[],
  written: readonly (MutableLayer | undefined)[],
  context: Context,
): Promise<readonly (Result | undefined)[]> {
  const results: (Result | undefined)[] = [];
  for (const [index, mount] of mounts.entries()) {
    const layer = written[index];
    if (layer !== undefined) results.push(recordResult((await layer.commit()).id));
    else results.push(mount.type === "bind" ? inputOf(mount, context) : context.inputs[mount.input]);
  }
  return results;
}

async function commit(outputs: ReadonlyMap<number, Output>): Promise<ReadonlyMap<number, Result>> {
  const results = new Map<number, Result>();
  for (const [output, made] of outputs)
    results.set(output, "layer" in made ? recordResult((await made.layer.commit()).id) : made.result);
  return results;
}

function outputOf(mount: BindMount, { layer }: Tree, context: Context): Output | undefined {
  if (mount.output === SKIP_OUTPUT) return undefined;
  return layer === undefined ? { result: inputOf(mount, context) } : { layer };
}

function bindOf(mount: BindMount, { path, readonly }: Tree, cwd: string): Extract<RunMount, { kind: "bind" }> {
  return { kind: "bind", target: targetOf(mount, cwd), source: subPath(path, mount.selector), readonly };
}

/** Returns the absolute target of a mount in a step with the working directory `cwd`. */
export function targetOf({ dest }: Mount, cwd: string): string {
  return posix.isAbsolute(dest) ? dest : posix.join("/", cwd, dest);
}

function inputOf(mount: Mount, { inputs }: Context): Result {
  return mount.input === EMPTY ? recordResult(SCRATCH) : (inputs[mount.input] ?? recordResult(SCRATCH));
}

/**
 * Opens a read-only view of the input, or a writable layer on it. A writable layer that is not an output is discarded. The root is
 * always a layer, because mount points are created in it, also for a step that cannot write to it.
 */
async function openBind(mount: BindMount, context: Context): Promise<Tree> {
  const { deps, hold, stack, description, layered = false } = context;
  const id = await recordOf(inputOf(mount, context), deps, hold);
  const isView = mount.readonly && mount.dest !== ROOT_MOUNT;
  if (isView && !layered) {
    const view = stack.use(await deps.records.mount(id, hold));
    return { path: view.path, readonly: true, layer: undefined, written: undefined, upper: undefined };
  }
  const layer = stack.use(
    await deps.records.begin(id, { description: execDescription(mount.dest, description) }, hold),
  );
  const isKept = mount.output !== SKIP_OUTPUT && !mount.readonly;
  const written = isView ? undefined : layer;
  const { path, upper } = layer;
  return { path, readonly: mount.readonly, layer: isKept ? layer : undefined, written, upper };
}

/** Returns a path in a tree. Symbolic links are resolved inside the tree. */
function subPath(tree: string, selector: string): string {
  if (selector === "" || selector === "/") return tree;
  using root = Root.open(tree);
  try {
    return join(tree, String(root.resolve(selector, { follow: true })));
  } catch (error) {
    throw new VarveError("invalid-build", `Cannot mount ${selector}: the source of the mount has no such path`, {
      cause: error,
    });
  }
}

async function openOther(
  mount: Exclude<Mount, BindMount>,
  target: string,
  context: Context,
): Promise<readonly RunMount[]> {
  const { deps } = context;
  switch (mount.type) {
    case "tmpfs":
      return [{ kind: "tmpfs", target, ...(mount.size === 0 ? {} : { size: mount.size }) }];
    case "cache":
      return [await openCache(mount, target, context)];
    case "secret": {
      const { id, uid, gid, mode, optional } = mount.secret;
      if (id === "") throw new VarveError("invalid-build", "secret ID missing from mount options");
      const content = await deps.client.secret(id, optional);
      return content === undefined ? [] : [{ kind: "secret", target, content, uid, gid, mode }];
    }
    case "ssh": {
      const { id, uid, gid, mode, optional } = mount.ssh;
      const socket = await deps.client.agent(id, optional);
      return socket === undefined ? [] : [{ kind: "ssh", target, socket, uid, gid, mode }];
    }
  }
}

/** A cache mount that this step uses. */
type OpenedCache = Awaited<ReturnType<ExecDeps["cacheMounts"]["acquire"]>>;

async function openCache(mount: CacheMount, target: string, context: Context): Promise<RunMount> {
  const { deps, hold, stack } = context;
  const base = mount.input === EMPTY ? SCRATCH : await recordOf(inputOf(mount, context), deps, hold);
  const opened = await acquireCache(mount, base, context);
  const { readonly } = mount;
  // With a base, the selected part of it is the whole directory. Without one, the selector is a folder in the directory.
  if (base !== SCRATCH || isWhole(mount)) return { kind: "bind", target, source: opened.path, readonly };
  const folder = stack.use(await deps.cacheMounts.folder(opened, mount.selector));
  return { kind: "bind", target, source: folder.path, readonly };
}

function isWhole({ selector }: CacheMount): boolean {
  return selector === "" || selector === "/";
}

async function acquireCache(mount: CacheMount, base: RecordId, context: Context): Promise<OpenedCache> {
  const { deps, hold, stack, description, caches } = context;
  const key = cacheMountKey(mount, base);
  const known = caches.get(key);
  if (known !== undefined) return known;
  const named = mount.id === "" ? "" : ` with id ${JSON.stringify(mount.id)}`;
  const request = {
    key,
    sharing: mount.sharing,
    description: `cached mount ${mount.dest} from exec ${description}${named}`,
    initialize: async (path: string): Promise<void> => {
      if (base === SCRATCH) return;
      await using view = await deps.records.mount(base, hold);
      await copyTree(subPath(view.path, mount.selector), path, { signal: hold.signal });
    },
  };
  const opened = stack.use(await deps.cacheMounts.acquire(request, hold));
  caches.set(key, opened);
  return opened;
}

/** Returns the key of a cache mount: its ID, and what it starts with: a record, and which part of it. */
function cacheMountKey(mount: CacheMount, base: RecordId): string {
  if (base === SCRATCH) return mount.id;
  return isWhole(mount) ? `${mount.id}:${base}` : `${mount.id}:${base}:${posix.join("/", mount.selector)}`;
}

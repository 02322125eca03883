import { VarveError, compareBytes } from "../../core/index.ts";
import { type Hold, type MutableLayer, SCRATCH, execDescription } from "../../record/index.ts";
import { join, posix } from "node:path";
import type { RunMount } from "../../exec/index.ts";
import { Root } from "../../linux/index.ts";
import { type BindMount, type CacheMount, EMPTY, type Mount, ROOT_MOUNT, SKIP_OUTPUT } from "../../llb/index.ts";
import { copyTree } from "../../snapshot/index.ts";
import { recordOf } from "./context-record.ts";
import type { OpDeps } from "./deps.ts";
import { type Result, recordResult } from "./result.ts";

/** The prepared mounts of a step, as the runner takes them. */
export interface StepMounts {
  readonly rootfs: string;
  readonly readonlyRootfs: boolean;
  readonly mounts: readonly RunMount[];
  /** Commits the writable mounts that are outputs, by output index. */
  commit(): Promise<ReadonlyMap<number, Result>>;
}

interface Context {
  readonly deps: OpDeps;
  readonly inputs: readonly Result[];
  readonly hold: Hold;
  readonly stack: AsyncDisposableStack;
  readonly description: string;
}

interface Tree {
  readonly path: string;
  readonly readonly: boolean;
  readonly layer: MutableLayer | undefined;
}

/**
 * Prepares the mounts of a step. Disposing of the context's `stack` undoes all of them. Relative targets start at `cwd`, the step's
 * working directory. Mounts are sorted by target, as in BuildKit.
 *
 * @throws {VarveError} `invalid-build` if the step has no root filesystem, or if the source of a mount does not exist.
 */
export async function openMounts(all: readonly Mount[], cwd: string, context: Context): Promise<StepMounts> {
  const outputs = new Map<number, { layer: MutableLayer } | { result: Result }>();
  const mounts: RunMount[] = [];
  let root: Tree | undefined;
  for (const mount of all) {
    if (mount.type === "bind") {
      const tree = await openBind(mount, context);
      if (mount.output !== SKIP_OUTPUT)
        outputs.set(
          mount.output,
          tree.layer === undefined ? { result: inputOf(mount, context) } : { layer: tree.layer },
        );
      if (mount.dest === ROOT_MOUNT) root = tree;
      else
        mounts.push({
          kind: "bind",
          target: targetOf(mount, cwd),
          source: subPath(tree.path, mount.selector),
          readonly: tree.readonly,
        });
    } else mounts.push(...(await openOther(mount, targetOf(mount, cwd), context)));
  }
  mounts.sort((a, b) => compareBytes(a.target, b.target));
  if (root === undefined) throw new VarveError("invalid-build", "Cannot run step: it has no root filesystem");
  return {
    rootfs: root.path,
    readonlyRootfs: root.readonly,
    mounts,
    commit: async () => {
      const results = new Map<number, Result>();
      for (const [output, made] of outputs)
        results.set(output, "layer" in made ? recordResult((await made.layer.commit()).id) : made.result);
      return results;
    },
  };
}

/** Returns the absolute target of a mount. */
function targetOf({ dest }: Mount, cwd: string): string {
  return posix.isAbsolute(dest) ? dest : posix.join("/", cwd, dest);
}

function inputOf(mount: Mount, { inputs }: Context): Result {
  return mount.input === EMPTY ? recordResult(SCRATCH) : (inputs[mount.input] ?? recordResult(SCRATCH));
}

/** Opens a read-only view of the input, or a writable layer on it. A writable layer that is not an output is discarded. */
async function openBind(mount: BindMount, context: Context): Promise<Tree> {
  const { deps, hold, stack, description } = context;
  const id = await recordOf(inputOf(mount, context), deps, hold);
  if (mount.readonly) {
    const view = stack.use(await deps.records.mount(id, hold));
    return { path: view.path, readonly: true, layer: undefined };
  }
  const layer = stack.use(
    await deps.records.begin(id, { description: execDescription(mount.dest, description) }, hold),
  );
  return { path: layer.path, readonly: false, layer: mount.output === SKIP_OUTPUT ? undefined : layer };
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

async function openCache(mount: CacheMount, target: string, context: Context): Promise<RunMount> {
  const { deps, hold, stack, description } = context;
  const base = mount.input === EMPTY ? undefined : await recordOf(inputOf(mount, context), deps, hold);
  // With a base, the selected part of it becomes the whole directory. Without one, the selector is a folder in the directory.
  const isWhole = base !== undefined || mount.selector === "" || mount.selector === "/";
  const opened = await deps.cacheMounts.acquire(
    {
      key: cacheMountKey(mount.id, base),
      sharing: mount.sharing,
      folder: isWhole ? undefined : mount.selector,
      description: `cached mount ${mount.dest} from exec ${description}${mount.id === "" ? "" : ` with id ${JSON.stringify(mount.id)}`}`,
      initialize: async (path) => {
        if (base === undefined || base === SCRATCH) return;
        await using view = await deps.records.mount(base, hold);
        await copyTree(subPath(view.path, mount.selector), path, { signal: hold.signal });
      },
    },
    hold,
  );
  stack.use(opened);
  return { kind: "bind", target, source: opened.path, readonly: mount.readonly };
}

/** Returns the key of a cache mount: its ID, and the record that it starts from if there is one. */
function cacheMountKey(id: string, base: string | undefined): string {
  return base === undefined || base === SCRATCH ? id : `${id}:${base}`;
}

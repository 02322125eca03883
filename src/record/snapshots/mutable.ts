import { Limits } from "../../core/index.ts";
import type { MountedTree, PrepareOptions, Snapshotter } from "../../snapshot/index.ts";
import type { MountPoints } from "./mount-points.ts";
import { temporaryKey } from "../keys.ts";
import type { Snapshots } from "./snapshots.ts";
import type { RecordTable } from "../table.ts";
import { type Hold, type RecordId, type RecordRow, type RecordType, SCRATCH } from "../types.ts";

/**
 * How many new versions of a layer are stacked before a whole copy is made. Each one is a directory more in which the kernel looks for
 * names, and keeps the files of earlier versions on the disk.
 */
export const MAX_REVISIONS = 16;

export interface BeginOptions {
  readonly description?: string | undefined;
  readonly type?: RecordType | undefined;
}

/** A layer that is being written: a mounted, writable tree on top of a parent. Disposing of it without a commit discards it. */
export interface MutableLayer extends AsyncDisposable {
  /** Directory at which the writable tree is mounted. */
  readonly path: string;
  /** The directory with what was written so far; see `Snapshotter.upperDir`. */
  readonly upper: string | undefined;
  /** Unmounts the tree, makes it immutable, and returns its new record. Call it at most once. */
  commit(): Promise<RecordRow>;
}

export interface MutableDeps {
  readonly table: RecordTable;
  readonly snapshots: Snapshots;
  readonly snapshotter: Snapshotter;
  readonly mounts: MountPoints;
}

/** Creates and mounts a writable layer on top of `parent`. */
export async function beginLayer(
  deps: MutableDeps,
  parent: RecordId,
  options: BeginOptions,
  hold: Hold,
): Promise<MutableLayer> {
  const key = temporaryKey("layer");
  const tree = await deps.snapshots.withSnapshot(parent, async () => {
    return await mountActive(deps, key, await deps.snapshots.of(parent, hold), hold);
  });
  return layerOf(deps, { key, tree, parent }, options, hold);
}

/**
 * Creates and mounts a writable layer on top of the parent of `earlier` that starts as the layer `earlier`. Returns undefined if
 * that is not possible, or if too many versions of the layer would be stacked. `above`: how many layers may be put on top.
 */
export async function beginRevision(
  deps: MutableDeps,
  earlier: RecordId,
  options: BeginOptions & { readonly above: number },
  hold: Hold,
): Promise<MutableLayer | undefined> {
  const { table, snapshotter } = deps;
  const { above, ...how } = options;
  const row = table.get(earlier);
  const info = row?.snapshot === undefined ? undefined : snapshotter.stat(row.snapshot);
  if (row?.kind !== "layer" || info === undefined || !snapshotter.stacksMerges) return undefined;
  const spec = await snapshotter.mounts(info.name);
  const layers = spec.kind === "bind" ? 1 : spec.lower.length;
  if (info.revision >= MAX_REVISIONS || layers + 1 + above > Limits.layers) return undefined;
  hold.lease.add("snapshot", info.name);
  const key = temporaryKey("revision");
  const tree = await mountActive(deps, key, info.name, { ...hold, revises: true });
  return layerOf(deps, { key, tree, parent: row.parents[0] ?? SCRATCH }, how, hold);
}

async function mountActive(
  { snapshotter, mounts }: MutableDeps,
  key: string,
  parent: string | undefined,
  options: PrepareOptions,
): Promise<MountedTree> {
  const spec = await snapshotter.prepare(key, parent, options);
  return await mounts.mount(spec).catch(async (error: unknown) => {
    await snapshotter.remove(key);
    throw error;
  });
}

interface OpenLayer {
  /** The key of the active snapshot. */
  readonly key: string;
  readonly tree: MountedTree;
  readonly parent: RecordId;
}

function layerOf(deps: MutableDeps, { key, tree, parent }: OpenLayer, options: BeginOptions, hold: Hold): MutableLayer {
  const { table, snapshotter } = deps;
  /** The key of the active snapshot, or the name of the committed one. */
  let snapshot = key;
  return new Layer(tree, snapshotter.upperDir(key), {
    commit: async () => {
      const name = `layer-${key}`;
      await snapshotter.commit(name, key, hold);
      snapshot = name;
      return table.transaction(() => {
        const parents = parent === SCRATCH ? [] : [parent];
        const row = table.insert({ kind: "layer", parents, snapshot: name, ...options });
        hold.lease.add("record", row.id);
        return row;
      });
    },
    discard: () => snapshotter.remove(snapshot),
  });
}

/** The two ways in which a layer ends, after its tree was unmounted. */
interface LayerEnding {
  commit(): Promise<RecordRow>;
  discard(): Promise<void>;
}

class Layer implements MutableLayer {
  readonly #tree: MountedTree;
  readonly #ending: LayerEnding;
  readonly upper: string | undefined;
  #state: "open" | "unmounted" | "committed" = "open";

  constructor(tree: MountedTree, upper: string | undefined, ending: LayerEnding) {
    this.#tree = tree;
    this.upper = upper;
    this.#ending = ending;
  }

  get path(): string {
    return this.#tree.path;
  }

  async commit(): Promise<RecordRow> {
    await this.#unmount();
    const row = await this.#ending.commit();
    this.#state = "committed";
    return row;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === "committed") return;
    await this.#unmount();
    await this.#ending.discard();
  }

  async #unmount(): Promise<void> {
    if (this.#state === "open") await this.#tree[Symbol.asyncDispose]();
    this.#state = "unmounted";
  }
}

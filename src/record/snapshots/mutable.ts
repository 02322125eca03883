import type { MountedTree, Snapshotter } from "../../snapshot/index.ts";
import type { MountPoints } from "./mount-points.ts";
import { temporaryKey } from "../keys.ts";
import type { Snapshots } from "./snapshots.ts";
import type { RecordTable } from "../table.ts";
import { type Hold, type RecordId, type RecordRow, type RecordType, SCRATCH } from "../types.ts";

export interface BeginOptions {
  readonly description?: string | undefined;
  readonly type?: RecordType | undefined;
}

/** A layer that is being written: a mounted, writable tree on top of a parent. Disposing of it without a commit discards it. */
export interface MutableLayer extends AsyncDisposable {
  /** Directory at which the writable tree is mounted. */
  readonly path: string;
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
  const { table, snapshots, snapshotter, mounts } = deps;
  const key = temporaryKey("layer");
  /** The key of the active snapshot, or the name of the committed one. */
  let snapshot = key;
  const tree = await snapshots.withSnapshot(parent, async () => {
    const spec = await snapshotter.prepare(key, await snapshots.of(parent, hold), hold);
    return await mounts.mount(spec).catch(async (error: unknown) => {
      await snapshotter.remove(key);
      throw error;
    });
  });
  return new Layer(tree, {
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
  #state: "open" | "unmounted" | "committed" = "open";

  constructor(tree: MountedTree, ending: LayerEnding) {
    this.#tree = tree;
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

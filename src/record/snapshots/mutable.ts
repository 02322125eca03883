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

/** A layer being written: a writable tree on top of a parent. Committed once, or thrown away when disposed of. */
export interface MutableLayer extends AsyncDisposable {
  /** The mounted, writable tree. */
  readonly path: string;
  /** Makes the tree immutable and gives it a record. The tree is unmounted first. */
  commit(): Promise<RecordRow>;
}

export interface MutableDeps {
  readonly table: RecordTable;
  readonly snapshots: Snapshots;
  readonly snapshotter: Snapshotter;
  readonly mounts: MountPoints;
}

/** Starts a new layer on `parent`. */
export async function beginLayer(
  deps: MutableDeps,
  parent: RecordId,
  options: BeginOptions,
  hold: Hold,
): Promise<MutableLayer> {
  const { table, snapshots, snapshotter, mounts } = deps;
  const key = temporaryKey("layer");
  let own = key;
  const tree = await snapshots.reading(parent, async () => {
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
      own = name;
      return table.transaction(() => {
        const parents = parent === SCRATCH ? [] : [parent];
        const row = table.insert({ kind: "layer", parents, snapshot: name, ...options });
        hold.lease.add("record", row.id);
        return row;
      });
    },
    abandon: () => snapshotter.remove(own),
  });
}

class Layer implements MutableLayer {
  readonly #tree: MountedTree;
  readonly #end: { commit(): Promise<RecordRow>; abandon(): Promise<void> };
  #state: "open" | "unmounted" | "committed" = "open";

  constructor(tree: MountedTree, end: { commit(): Promise<RecordRow>; abandon(): Promise<void> }) {
    this.#tree = tree;
    this.#end = end;
  }

  get path(): string {
    return this.#tree.path;
  }

  async commit(): Promise<RecordRow> {
    await this.#unmount();
    const row = await this.#end.commit();
    this.#state = "committed";
    return row;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === "committed") return;
    await this.#unmount();
    await this.#end.abandon();
  }

  async #unmount(): Promise<void> {
    if (this.#state === "open") await this.#tree[Symbol.asyncDispose]();
    this.#state = "unmounted";
  }
}

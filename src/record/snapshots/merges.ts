import type { MountedTree } from "../../snapshot/index.ts";
import { applyChanges } from "../../snapshot/index.ts";
import { inParallel } from "../../io/index.ts";
import { applyLayer } from "../../layer/index.ts";
import { commitIfAbsent, temporaryKey } from "../keys.ts";
import { layersOf } from "../layers.ts";
import { type BlobForm, type Hold, type RecordId, type RecordRow, SCRATCH } from "../types.ts";
import type { Path } from "../../linux/index.ts";
import type { SnapshotDeps } from "./deps.ts";
import {
  type LayerDeletions,
  type Names,
  copyDirectories,
  deletionsOf,
  hasDirectory,
  strayDirectories,
} from "./stray-whiteouts.ts";
import { type UnpackTarget, hasWhiteouts } from "./unpack.ts";

/** What merging needs of the snapshot form of other records. */
export interface MergeHost {
  /** Returns the name of a record's snapshot; undefined for scratch. */
  of(id: RecordId, hold: Hold): Promise<string | undefined>;
  mount(id: RecordId, hold: Hold): Promise<MountedTree>;
  withBlob<T>(blob: BlobForm, hold: Hold, work: () => Promise<T>): Promise<T>;
  /** Returns a name for a snapshot, and whether a snapshot with this name exists. */
  usableName(name: string): Promise<{ readonly name: string; readonly exists: boolean }>;
  unpack(blob: BlobForm, target: UnpackTarget, hold: Hold): Promise<void>;
}

/** What a layer of a parent deletes. */
interface ParentDeletions extends LayerDeletions {
  /** The position of the parent in the merge. */
  readonly index: number;
}

/** Label of a blob: whether the layer contains whiteouts, "true" or "false". */
const WHITEOUTS = "varve/whiteouts";

/** Prefix of the names of snapshots that have the whiteouts of a layer without a parent. */
const DELETIONS = "deletions-";

/**
 * The snapshots of merges. What a layer deletes is deleted from the layers below it in the merge, even if nothing of it was below
 * the layer before: a difference that deletes files has no parent.
 */
export class Merges {
  readonly #deps: SnapshotDeps;
  readonly #host: MergeHost;

  constructor(deps: SnapshotDeps, host: MergeHost) {
    this.#deps = deps;
    this.#host = host;
  }

  /** Creates the snapshot of a merge. Returns its name. */
  async create(row: RecordRow, hold: Hold): Promise<string> {
    const { snapshotter } = this.#deps;
    const { name, exists } = await this.#host.usableName(`merge-${row.id}`);
    if (exists) return name;
    const [, ...others] = row.parents;
    const stacks = snapshotter.stacksMerges && !others.some((id) => this.#hasRevisions(id));
    if (stacks) await this.#stack(name, row.parents, hold);
    else await this.#copy(name, row.parents, hold);
    return name;
  }

  /**
   * Returns whether a layer of a record is a new version of another one. What it deletes of the earlier version would be deleted from the
   * other parents of a merge too.
   */
  #hasRevisions(id: RecordId): boolean {
    const { snapshotter, table } = this.#deps;
    return layersOf(table, id).some(({ snapshot = "" }) => (snapshotter.stat(snapshot)?.revision ?? 0) > 0);
  }

  async #stack(name: string, ids: readonly RecordId[], hold: Hold): Promise<void> {
    const { snapshotter } = this.#deps;
    const stacked = await inParallel([...ids.entries()], hold.signal, ([index, id], signal) =>
      this.#stacked(id, index === 0, { ...hold, signal }),
    );
    const parents = stacked.flat();
    const deletions = await this.#deletionsIn(ids, hold);
    if (await this.#hidesOthers(deletions, ids, hold)) return await this.#copy(name, ids, hold);
    const cover = await this.#coverStrays(parents, deletions, hold);
    await commitIfAbsent(snapshotter.merge(name, cover === undefined ? parents : [...parents, cover], hold));
  }

  /** Returns what the layers of all parents but the lowest delete. */
  async #deletionsIn(ids: readonly RecordId[], hold: Hold): Promise<ParentDeletions[]> {
    const { snapshotter, table } = this.#deps;
    const found: ParentDeletions[] = [];
    for (const [index, id] of ids.entries()) {
      if (index === 0) continue;
      const names = new Set([await this.#host.of(id, hold)]);
      for (const layer of layersOf(table, id))
        if (layer.parents.length > 0) names.add(await this.#host.of(layer.id, hold));
      for (const each of names) {
        const path = each === undefined ? undefined : snapshotter.upperDir(each);
        if (path !== undefined) found.push({ ...(await deletionsOf(path, hold.signal)), index });
      }
    }
    return found;
  }

  /**
   * Returns true if a layer hides a whole directory that lower parents of the merge have too. It is to delete only what was in the
   * directory below the layer, so that the layers cannot be stacked as they are.
   */
  async #hidesOthers(deletions: readonly ParentDeletions[], ids: readonly RecordId[], hold: Hold): Promise<boolean> {
    const hiding = deletions.filter(({ opaque }) => opaque.length > 0);
    for (const [index, id] of ids.entries()) {
      const above = hiding.filter((each) => each.index > index).flatMap(({ opaque }) => opaque);
      if (above.length === 0) return false;
      await using tree = await this.#host.mount(id, hold);
      if (hasDirectory(tree.path, above)) return true;
    }
    return false;
  }

  /**
   * Returns a snapshot that hides whiteouts which would be listed in the merge of the parents (`stray-whiteouts.ts`). Undefined if
   * there are none.
   */
  async #coverStrays(
    parents: readonly string[],
    deletions: readonly ParentDeletions[],
    hold: Hold,
  ): Promise<string | undefined> {
    const { snapshotter, mounts } = this.#deps;
    const directories = new Map<string, Names>();
    const add = (each: LayerDeletions): void =>
      each.whiteouts.forEach((names) => directories.set(names.join("/"), names));
    deletions.forEach(add);
    for (const each of parents.filter((parent) => parent.startsWith(DELETIONS))) {
      const path = snapshotter.upperDir(each);
      if (path !== undefined) add(await deletionsOf(path, hold.signal));
    }
    if (directories.size === 0) return undefined;
    const trial = temporaryKey("merge");
    await snapshotter.merge(trial, parents, hold);
    try {
      await using tree = await mounts.mount(await snapshotter.mounts(trial));
      const strays = strayDirectories(tree.path, directories.values());
      return strays.length === 0 ? undefined : await this.#cover(tree.path, strays, hold);
    } finally {
      await snapshotter.remove(trial);
    }
  }

  async #cover(tree: Path, directories: readonly (readonly string[])[], hold: Hold): Promise<string> {
    const { snapshotter, mounts } = this.#deps;
    const [key, name] = [temporaryKey("cover"), temporaryKey("covered")];
    const spec = await snapshotter.prepare(key, undefined, hold);
    try {
      {
        await using made = await mounts.mount(spec);
        copyDirectories(tree, directories, made.path);
      }
      await snapshotter.commit(name, key, hold);
    } finally {
      if (snapshotter.stat(key) !== undefined) await snapshotter.remove(key);
    }
    return name;
  }

  /** Returns the snapshots to stack for a parent, lowest first. */
  async #stacked(id: RecordId, isLowest: boolean, hold: Hold): Promise<string[]> {
    const deletions = isLowest ? undefined : await this.#deletions(id, hold);
    if (deletions?.isWhole === true) return [deletions.name];
    const own = await this.#host.of(id, hold);
    return [deletions?.name, own].filter((name) => name !== undefined);
  }

  /**
   * Returns the snapshot of a record's lowest layer with its whiteouts, which the layer's usual snapshot lacks, because there is
   * nothing below it. Undefined if the layer has no whiteouts. `isWhole` is true if the record has no other layers.
   */
  async #deletions(
    id: RecordId,
    hold: Hold,
  ): Promise<{ readonly name: string; readonly isWhole: boolean } | undefined> {
    const layers = layersOf(this.#deps.table, id);
    const [{ blob, parents } = { blob: undefined, parents: [] }] = layers;
    if (blob === undefined || parents.length > 0 || !(await this.#hasWhiteouts(blob, hold))) return undefined;
    const { name, exists } = await this.#host.usableName(`${DELETIONS}${blob.diffId}`);
    if (exists) hold.lease.add("snapshot", name);
    else await this.#host.unpack(blob, { name, parent: undefined, keepWhiteouts: true }, hold);
    return { name, isWhole: layers.length === 1 };
  }

  /** Copies the tree of the lowest parent, and applies the layers of the others to it, one after the other. */
  async #copy(name: string, [lowest = SCRATCH, ...others]: readonly RecordId[], hold: Hold): Promise<void> {
    const { snapshotter, table, mounts } = this.#deps;
    const base = await this.#host.of(lowest, hold);
    for (const id of others) await this.#host.of(id, hold);
    const key = temporaryKey("merge");
    const spec = await snapshotter.prepare(key, base, hold);
    try {
      {
        await using tree = await mounts.mount(spec);
        for (const id of others) for (const layer of layersOf(table, id)) await this.#apply(layer, tree.path, hold);
      }
      await commitIfAbsent(snapshotter.commit(name, key, hold));
    } finally {
      if (snapshotter.stat(key) !== undefined) await snapshotter.remove(key);
    }
  }

  /** Applies what a layer changes to a tree. Its archive may delete more than its own tree shows. */
  async #apply(row: RecordRow, target: string, hold: Hold): Promise<void> {
    const { content } = this.#deps;
    const { blob } = row;
    const [parent] = row.parents;
    const mayDeleteMore = blob !== undefined && (parent === undefined || content.info(blob.digest) !== undefined);
    if (mayDeleteMore && (await this.#hasWhiteouts(blob, hold))) {
      const what = `layer ${blob.digest}`;
      const apply = (): Promise<unknown> =>
        applyLayer(content.open(blob.digest, { signal: hold.signal }), target, {
          format: "plain",
          diffId: blob.diffId,
          what,
          signal: hold.signal,
        });
      await this.#host.withBlob(blob, hold, apply);
      return;
    }
    await using before = parent === undefined ? undefined : await this.#host.mount(parent, hold);
    await using after = await this.#host.mount(row.id, hold);
    await applyChanges({ before: before?.path, after: after.path, target, signal: hold.signal });
  }

  async #hasWhiteouts(blob: BlobForm, hold: Hold): Promise<boolean> {
    const { content } = this.#deps;
    const known = content.info(blob.digest)?.labels.get(WHITEOUTS);
    if (known !== undefined) return known === "true";
    const found = await this.#host.withBlob(blob, hold, () => hasWhiteouts(blob, content, hold.signal));
    content.label(blob.digest, { [WHITEOUTS]: String(found) });
    return found;
  }
}

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { VarveError, errnoOf, throwIfAborted, toVarveError } from "../core/index.ts";
import { bootId, syncfs } from "../linux/index.ts";
import { Settlement } from "./settlement.ts";
import type { Driver, Stack, Step } from "./driver.ts";
import { layersOf } from "./layers.ts";
import type {
  MountSpec,
  PrepareOptions,
  SnapshotInfo,
  SnapshotOptions,
  SnapshotUsage,
  Snapshotter,
} from "./snapshotter.ts";
import type { NewSnapshot, SnapshotRow, SnapshotTable } from "./table.ts";
import { removeTree, treeUsage } from "./tree/index.ts";

/** Suffix of a directory that is being deleted. */
const GONE = ".gone";

/** The snapshotter for all drivers. A snapshot is a row in the database and, if the driver needs one, a directory `<root>/<id>`. */
export class StoredSnapshotter implements Snapshotter {
  readonly #root: string;
  readonly #table: SnapshotTable;
  readonly #driver: Driver;

  readonly #boot: string | undefined;
  readonly #settlement: Settlement | undefined;

  /** See `SnapshotterOptions.below`. */
  readonly #rootBelow: string | undefined;

  constructor(root: string, table: SnapshotTable, driver: Driver, below?: string) {
    this.#rootBelow = below;
    this.#boot = bootId();
    this.#settlement = this.#boot === undefined ? undefined : new Settlement({ root, table, driver, boot: this.#boot });
    this.#root = root;
    this.#table = table;
    this.#driver = driver;
  }

  get stacksMerges(): boolean {
    return !this.#driver.owns("merge");
  }

  get userXattr(): boolean {
    return this.#driver.name === "overlay-user";
  }

  async prepare(key: string, parent: string | undefined, options: PrepareOptions = {}): Promise<MountSpec> {
    const parents = parent === undefined ? [] : [parent];
    const { durable, revises } = options;
    const made = { name: key, kind: "active", parents, volatile: durable !== true, revises } as const;
    const row = await this.#make(made, options, (own, fresh) =>
      this.#driver.create(own, this.#below(fresh), options.signal),
    );
    return this.#spec(row);
  }

  async view(key: string, parent: string | undefined, options: SnapshotOptions = {}): Promise<MountSpec> {
    const parents = parent === undefined ? [] : [parent];
    const row = this.#table.insert(
      { name: key, kind: "view", parents },
      options,
      `view snapshot ${parent ?? "scratch"} as ${key}`,
    );
    return await Promise.resolve(this.#spec(row));
  }

  async commit(name: string, key: string, options: SnapshotOptions = {}): Promise<void> {
    const doing = `commit snapshot ${key} as ${name}`;
    const row = this.#table.get(key, doing);
    if (row.kind !== "active")
      throw new VarveError("invalid-argument", `Cannot ${doing}: ${key} is ${row.kind}, not active`);
    if (this.#table.find(name) !== undefined) throw new VarveError("already-exists", `Cannot ${doing}: ${name} exists`);
    const own = this.#directory(row);
    this.#driver.seal(own, doing);
    if (this.#settlement === undefined) {
      await syncfs(own);
      await this.#driver.settle(own);
    }
    throwIfAborted(options.signal, doing);
    this.#table.commit(name, key, options, this.#boot);
    this.#settlement?.schedule();
  }

  async flush(): Promise<void> {
    await this.#settlement?.flush();
  }

  async merge(name: string, parents: readonly string[], options: SnapshotOptions = {}): Promise<void> {
    if (!this.#driver.owns("merge")) {
      this.#table.insert({ name, kind: "committed", parents, merged: true }, options, `merge snapshots into ${name}`);
      return;
    }
    if (this.#table.find(name) !== undefined)
      throw new VarveError("already-exists", `Cannot merge snapshots into ${name}: it exists`);
    const key = `merge-${process.pid}-${randomBytes(8).toString("hex")}`;
    const fill = (own: string, row: SnapshotRow): Promise<void> =>
      this.#driver.merge(own, this.#steps(row), options.signal);
    await this.#make({ name: key, kind: "active", parents, merged: true }, options, fill);
    try {
      await this.commit(name, key, options);
    } catch (error) {
      await this.remove(key);
      throw error;
    }
  }

  move(name: string, layer: string, parent: string | undefined, options: SnapshotOptions = {}): void {
    const doing = `move the layer of snapshot ${layer} to ${name}`;
    const row = this.#table.get(layer, doing);
    const source = row.moved ? this.#table.get(row.parents.at(-1) ?? "", doing) : row;
    if (!this.stacksMerges || source.merged || source.revision > 0)
      throw new VarveError("unsupported", `Cannot ${doing}: the layer has no directory that can be stacked`);
    const parents = [...(parent === undefined ? [] : [parent]), source.name];
    this.#table.insert({ name, kind: "committed", parents, moved: true }, options, doing);
  }

  async mounts(keyOrName: string): Promise<MountSpec> {
    return await Promise.resolve(this.#spec(this.#table.get(keyOrName, `mount snapshot ${keyOrName}`)));
  }

  stat(keyOrName: string): SnapshotInfo | undefined {
    const row = this.#table.find(keyOrName);
    return row === undefined ? undefined : infoOf(row);
  }

  async usage(
    keyOrName: string,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<SnapshotUsage> {
    const row = this.#table.get(keyOrName, `measure snapshot ${keyOrName}`);
    if (row.usage !== undefined) return row.usage;
    const own = this.#own(row);
    if (own === undefined) return { bytes: 0, inodes: 0 };
    const usage = await treeUsage(this.#driver.tree(own), { signal });
    this.#table.setUsage(row.id, usage);
    return usage;
  }

  async remove(keyOrName: string): Promise<void> {
    const row = this.#table.get(keyOrName, `remove snapshot ${keyOrName}`);
    const own = this.#own(row);
    if (own !== undefined && row.kind === "active") this.#driver.checkIdle(own, `remove snapshot ${keyOrName}`);
    // On a full disk, a row can be removed only after files were. A row of an active snapshot without files does no harm.
    const filesFirst = row.kind === "active";
    if (own !== undefined && filesFirst) await removeTree(own);
    this.#table.remove(keyOrName);
    if (own !== undefined && !filesFirst) await removeTree(own);
  }

  *walk(): Iterable<SnapshotInfo> {
    for (const row of this.#table.all()) yield infoOf(row);
  }

  upperDir(keyOrName: string): string | undefined {
    const row = this.#table.find(keyOrName);
    if (row?.moved === true) return this.upperDir(row.parents.at(-1) ?? "");
    const own = row === undefined ? undefined : this.#own(row);
    if (row === undefined || own === undefined) return undefined;
    const isBelow = this.#rootBelow !== undefined && !existsSync(own);
    return this.#driver.upper(isBelow ? join(this.#rootBelow, String(row.id)) : own);
  }

  upperDirs(keyOrName: string): readonly string[] | undefined {
    const directories: string[] = [];
    let row = this.#table.find(keyOrName);
    for (let earlier = row?.revision ?? 0; earlier >= 0; earlier -= 1) {
      const upper = row === undefined ? undefined : this.upperDir(row.name);
      if (row === undefined || upper === undefined) return undefined;
      directories.push(upper);
      if (earlier > 0) row = this.#table.find(row.parents[0] ?? "");
    }
    return directories;
  }

  removeUnreached(isReached: (name: string) => boolean): string[] {
    return this.#table.removeUnreached(isReached);
  }

  async sweep(): Promise<number> {
    let freed = 0;
    for (const entry of await readdir(this.#root)) {
      const gone = entry.endsWith(GONE) ? entry : this.#disown(entry);
      if (gone === undefined) continue;
      freed += (await treeUsage(join(this.#root, gone))).bytes;
      await removeTree(join(this.#root, gone));
    }
    return freed;
  }

  /** Renames the directory of a snapshot that has no row, so that it cannot become the directory of a new snapshot. */
  #disown(entry: string): string | undefined {
    if (!/^\d+$/.test(entry) || this.#table.hasId(Number(entry))) return undefined;
    return this.#table.exclusively(() => {
      if (this.#table.hasId(Number(entry))) return undefined;
      const gone = `${entry}-${randomBytes(4).toString("hex")}${GONE}`;
      try {
        renameSync(join(this.#root, entry), join(this.#root, gone));
      } catch (error) {
        if (errnoOf(error) === "ENOENT") return undefined;
        throw error;
      }
      return gone;
    });
  }

  async #make(
    made: NewSnapshot,
    options: SnapshotOptions,
    fill: (own: string, row: SnapshotRow) => Promise<void>,
  ): Promise<SnapshotRow> {
    const doing = `prepare snapshot ${made.name}`;
    throwIfAborted(options.signal, doing);
    const row = this.#table.insert(made, options, doing);
    const own = this.#directory(row);
    try {
      // A crash of the machine may have lost an earlier row with this number, but not its directory.
      await removeTree(own);
      mkdirSync(own, { mode: 0o700 });
      await fill(own, row);
      return row;
    } catch (error) {
      // On a full disk, a row can be removed only after files were.
      await removeTree(own).catch(() => undefined);
      this.#table.remove(made.name);
      throw toVarveError(error, doing);
    }
  }

  #spec(row: SnapshotRow): MountSpec {
    return this.#driver.spec(this.#stack(row), join(this.#root, "empty"));
  }

  #stack(row: SnapshotRow): Stack {
    const below = this.#below(row);
    if (row.kind === "active") return { kind: "active", volatile: row.volatile, own: this.#directory(row), below };
    return { kind: row.kind, own: this.#own(row), below };
  }

  /** Returns the directories of the layers below a snapshot, topmost first. */
  #below(row: SnapshotRow): string[] {
    const get = (name: string): SnapshotRow => this.#table.get(name, `mount snapshot ${row.name}`);
    if (this.#driver.owns("merge")) return row.parents.map((name) => this.#directory(get(name)));
    return layersOf(row, get)
      .filter((layer) => layer.id !== row.id)
      .map((layer) => this.#directory(layer));
  }

  /** Returns what each layer below a merge changed, lowest first. */
  #steps(row: SnapshotRow): Step[] {
    const get = (name: string): SnapshotRow => this.#table.get(name, `merge snapshots into ${row.name}`);
    const steps = layersOf(row, get).map((layer) => {
      const [parent] = layer.parents;
      return { before: parent === undefined ? undefined : this.#directory(get(parent)), after: this.#directory(layer) };
    });
    return steps.reverse();
  }

  #own(row: SnapshotRow): string | undefined {
    const kind = row.kind === "view" ? "view" : row.merged || row.moved ? "merge" : "active";
    return this.#driver.owns(kind) ? this.#directory(row) : undefined;
  }

  #directory({ id }: SnapshotRow): string {
    return join(this.#root, String(id));
  }
}

function infoOf({ name, parents, kind, revision, createdAt }: SnapshotRow): SnapshotInfo {
  return { name, parents, kind, revision, createdAt };
}

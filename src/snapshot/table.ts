import { VarveError, parseJson } from "../core/index.ts";
import { addEdge, contentTables, edgesTo, removeEdgesFrom, removeEdgesTo, renameEdgeSource } from "../content/index.ts";
import type { Database, Row } from "../state/index.ts";
import { snapshotTables } from "./schema.ts";
import type { SnapshotInfo, SnapshotKind, SnapshotOptions, SnapshotUsage } from "./snapshotter.ts";

/** A row of the `snapshot` table. */
export interface SnapshotRow extends SnapshotInfo {
  /** The name of the directory. */
  readonly id: number;
  /** An active snapshot is mounted without syncs. */
  readonly volatile: boolean;
  /** The snapshot is a merge. */
  readonly merged: boolean;
  /** See `Snapshotter.move`. The last parent is the snapshot with the layer. */
  readonly moved: boolean;
  readonly usage: SnapshotUsage | undefined;
}

export interface NewSnapshot {
  readonly name: string;
  readonly kind: SnapshotKind;
  readonly parents: readonly string[];
  readonly volatile?: boolean | undefined;
  readonly merged?: boolean | undefined;
  readonly moved?: boolean | undefined;
  /** A new version of the parent's layer. */
  readonly revises?: boolean | undefined;
}

/** No run of a machine has this id. */
const FAILED = "failed";
const COLUMNS = "id, name, kind, parents, volatile, merged, moved, revision, created_at, bytes, inodes";

/** The rows of snapshots, and the edges that keep their parents alive. Every change is one transaction. */
export class SnapshotTable {
  readonly #state: Database;
  readonly #driver: string;

  constructor(state: Database, driver: string) {
    state.install(contentTables, snapshotTables);
    this.#state = state;
    this.#driver = driver;
  }

  find(name: string): SnapshotRow | undefined {
    const row = this.#state.get(`SELECT ${COLUMNS} FROM snapshot WHERE name = ?`, name);
    return row === undefined ? undefined : fromRow(row);
  }

  get(name: string, doing: string): SnapshotRow {
    const row = this.find(name);
    if (row === undefined) throw new VarveError("not-found", `Cannot ${doing}: snapshot ${name} does not exist`);
    return row;
  }

  /** Returns whether a snapshot with this id exists, so that its directory is in use. */
  hasId(id: number): boolean {
    return this.#state.get("SELECT 1 FROM snapshot WHERE id = ?", id) !== undefined;
  }

  /** Returns all snapshots, parents before children. */
  all(): SnapshotRow[] {
    const rows = this.#state.all(`SELECT ${COLUMNS} FROM snapshot ORDER BY id`).map(fromRow);
    return parentsFirst(rows);
  }

  insert(made: NewSnapshot, { lease }: SnapshotOptions, doing: string): SnapshotRow {
    return this.#state.transaction(() => {
      this.#requireUnused(made.name, doing);
      for (const parent of made.parents) this.#requireCommitted(parent, doing);
      this.#state.run(
        "INSERT INTO snapshot (name, kind, parents, driver, volatile, merged, moved, revision, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        made.name,
        made.kind,
        JSON.stringify(made.parents),
        this.#driver,
        made.volatile === true ? 1 : 0,
        made.merged === true ? 1 : 0,
        made.moved === true ? 1 : 0,
        this.#revision(made, doing),
        Date.now(),
      );
      for (const parent of new Set(made.parents)) this.#link(made.name, parent);
      lease?.add("snapshot", made.name);
      return this.get(made.name, doing);
    });
  }

  /** Turns the active snapshot `key` into the committed snapshot `name`. `unsynced`: the run of the machine, unless it is on disk. */
  commit(name: string, key: string, { lease }: SnapshotOptions, unsynced: string | undefined): void {
    const doing = `commit snapshot ${key} as ${name}`;
    this.#state.transaction(() => {
      const row = this.get(key, doing);
      if (row.kind !== "active")
        throw new VarveError("invalid-argument", `Cannot ${doing}: it is ${row.kind}, not active`);
      this.#requireUnused(name, doing);
      const sql = "UPDATE snapshot SET name = ?, kind = 'committed', unsynced = ? WHERE id = ?";
      this.#state.run(sql, name, unsynced ?? null, row.id);
      renameEdgeSource(this.#state, { kind: "snapshot", id: key }, name);
      removeEdgesTo(this.#state, { kind: "snapshot", id: key });
      lease?.add("snapshot", name);
    });
  }

  /** Removes a row and all edges from and to it. */
  remove(name: string): SnapshotRow {
    const doing = `remove snapshot ${name}`;
    const { kind } = this.get(name, doing);
    return this.#state.transaction(
      () => {
        const row = this.get(name, doing);
        const child = this.#childOf(name);
        if (child !== undefined) throw new VarveError("busy", `Cannot ${doing}: it is a parent of ${child}`);
        this.#state.run("DELETE FROM snapshot WHERE id = ?", row.id);
        removeEdgesFrom(this.#state, { kind: "snapshot", id: name });
        removeEdgesTo(this.#state, { kind: "snapshot", id: name });
        return row;
      },
      // The row of a committed snapshot must not come back after a crash, because its tree is removed next.
      { durable: kind === "committed", frees: true },
    );
  }

  /** Removes unreachable rows and the edges from them. Returns their names. */
  removeUnreached(isReached: (name: string) => boolean): string[] {
    const names = this.#state.all<{ name: string }>("SELECT name FROM snapshot ORDER BY id").map(({ name }) => name);
    const unreached = names.filter((name) => !isReached(name));
    for (const name of unreached) {
      this.#state.run("DELETE FROM snapshot WHERE name = ?", name);
      removeEdgesFrom(this.#state, { kind: "snapshot", id: name });
    }
    return unreached;
  }

  /** Returns the ids of the snapshots that were committed in this run of the machine and may not be on disk. */
  unsynced(boot: string): number[] {
    return this.#state.all<{ id: number }>("SELECT id FROM snapshot WHERE unsynced = ?", boot).map(({ id }) => id);
  }

  setSynced(ids: readonly number[]): void {
    this.#setUnsynced(ids, null);
  }

  /** Lets the next process that opens the snapshots remove these, because writing them failed. */
  distrust(ids: readonly number[]): void {
    this.#setUnsynced(ids, FAILED);
  }

  /** Removes the snapshots that an earlier run of the machine may not have written, and those on top of them. */
  removeUnsynced(boot: string): void {
    const sql = "SELECT name FROM snapshot WHERE unsynced IS NOT NULL AND unsynced <> ?";
    if (this.#state.get(sql, boot) === undefined) return;
    this.#state.transaction(() => {
      const lost = new Set(this.#state.all<{ name: string }>(sql, boot).map(({ name }) => name));
      for (const { name, parents } of this.all()) if (parents.some((parent) => lost.has(parent))) lost.add(name);
      for (const name of lost) {
        this.#state.run("DELETE FROM snapshot WHERE name = ?", name);
        removeEdgesFrom(this.#state, { kind: "snapshot", id: name });
        removeEdgesTo(this.#state, { kind: "snapshot", id: name });
      }
    });
  }

  #revision({ revises, parents: [parent] }: NewSnapshot, doing: string): number {
    return revises === true && parent !== undefined ? this.get(parent, doing).revision + 1 : 0;
  }

  #setUnsynced(ids: readonly number[], value: string | null): void {
    this.#state.transaction(() => {
      for (const id of ids) this.#state.run("UPDATE snapshot SET unsynced = ? WHERE id = ?", value, id);
    });
  }

  setUsage(id: number, { bytes, inodes }: SnapshotUsage): void {
    const sql = "UPDATE snapshot SET bytes = ?, inodes = ? WHERE id = ? AND kind = 'committed'";
    this.#state.note(sql, bytes, inodes, id);
  }

  /** Runs `fn`, which frees space, while no other process can insert or remove a row. */
  exclusively<T>(fn: () => T): T {
    return this.#state.transaction(fn, { frees: true });
  }

  #requireUnused(name: string, doing: string): void {
    if (this.find(name) !== undefined) throw new VarveError("already-exists", `Cannot ${doing}: ${name} exists`);
  }

  #requireCommitted(parent: string, doing: string): void {
    const { kind } = this.get(parent, doing);
    if (kind !== "committed")
      throw new VarveError("invalid-argument", `Cannot ${doing}: its parent ${parent} is not committed`);
  }

  #childOf(name: string): string | undefined {
    return edgesTo(this.#state, { kind: "snapshot", id: name }).find(({ kind }) => kind === "snapshot")?.id;
  }

  #link(from: string, to: string): void {
    addEdge(this.#state, { kind: "snapshot", id: from }, { kind: "snapshot", id: to });
  }
}

function fromRow(row: Row): SnapshotRow {
  const { bytes, inodes } = row;
  return {
    id: Number(row["id"]),
    name: String(row["name"]),
    kind: kindOf(row["kind"]),
    parents: parseJson(String(row["parents"]), "the parents of a snapshot").strings() ?? [],
    volatile: row["volatile"] === 1,
    merged: row["merged"] === 1,
    moved: row["moved"] === 1,
    revision: Number(row["revision"]),
    createdAt: Number(row["created_at"]),
    usage: bytes === null || inodes === null ? undefined : { bytes: Number(bytes), inodes: Number(inodes) },
  };
}

function parentsFirst(rows: readonly SnapshotRow[]): SnapshotRow[] {
  const byName = new Map(rows.map((row) => [row.name, row]));
  const done = new Set<SnapshotRow>();
  for (const row of rows) {
    const stack = [row];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const missing = top.parents.flatMap((name) => byName.get(name) ?? []).filter((parent) => !done.has(parent));
      if (missing.length === 0) {
        stack.pop();
        done.add(top);
      } else stack.push(...missing);
    }
  }
  return [...done];
}

function kindOf(value: unknown): SnapshotKind {
  if (value === "active" || value === "view" || value === "committed") return value;
  throw new VarveError("internal", `Cannot read a snapshot: its kind ${String(value)} is unknown`);
}

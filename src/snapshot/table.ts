import { VarveError, parseJson } from "../core/index.ts";
import { addEdge, contentTables, edgesTo, removeEdgesFrom, removeEdgesTo, renameEdgeSource } from "../content/index.ts";
import type { Database, Row } from "../state/index.ts";
import { snapshotTables } from "./schema.ts";
import type { SnapshotInfo, SnapshotKind, SnapshotOptions, SnapshotUsage } from "./snapshotter.ts";

export interface SnapshotRow extends SnapshotInfo {
  /** Names the directory. */
  readonly id: number;
  readonly volatile: boolean;
  /** True for a merge. */
  readonly merged: boolean;
  readonly usage: SnapshotUsage | undefined;
}

export interface NewSnapshot {
  readonly name: string;
  readonly kind: SnapshotKind;
  readonly parents: readonly string[];
  readonly volatile?: boolean | undefined;
  readonly merged?: boolean | undefined;
}

const COLUMNS = "id, name, kind, parents, volatile, merged, created_at, bytes, inodes";

/** The rows of snapshots and the edges by which one keeps its parents. Every change is one transaction. */
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

  /** True if a snapshot's directory may be in use. */
  hasId(id: number): boolean {
    return this.#state.get("SELECT 1 FROM snapshot WHERE id = ?", id) !== undefined;
  }

  /** Parents before children: a parent is committed before its child's row is made. */
  all(): SnapshotRow[] {
    const rows = this.#state.all(`SELECT ${COLUMNS} FROM snapshot ORDER BY id`).map(fromRow);
    return parentsFirst(rows);
  }

  insert(made: NewSnapshot, { lease }: SnapshotOptions, doing: string): SnapshotRow {
    return this.#state.transaction(() => {
      this.#expectFree(made.name, doing);
      for (const parent of made.parents) this.#expectCommitted(parent, doing);
      this.#state.run(
        "INSERT INTO snapshot (name, kind, parents, driver, volatile, merged, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        made.name,
        made.kind,
        JSON.stringify(made.parents),
        this.#driver,
        made.volatile === true ? 1 : 0,
        made.merged === true ? 1 : 0,
        Date.now(),
      );
      for (const parent of new Set(made.parents)) this.#link(made.name, parent);
      lease?.add("snapshot", made.name);
      return this.get(made.name, doing);
    });
  }

  /** Turns the active `key` into the committed `name`. */
  commit(name: string, key: string, { lease }: SnapshotOptions): void {
    const doing = `commit snapshot ${key} as ${name}`;
    this.#state.transaction(() => {
      const row = this.get(key, doing);
      if (row.kind !== "active")
        throw new VarveError("invalid-argument", `Cannot ${doing}: it is ${row.kind}, not active`);
      this.#expectFree(name, doing);
      this.#state.run("UPDATE snapshot SET name = ?, kind = 'committed' WHERE id = ?", name, row.id);
      renameEdgeSource(this.#state, { kind: "snapshot", id: key }, name);
      removeEdgesTo(this.#state, { kind: "snapshot", id: key });
      lease?.add("snapshot", name);
    });
  }

  /** Removes the row and what keeps it. */
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
      // A committed row that came back after a crash would name a tree that is gone; a key's owner is gone as well.
      { durable: kind === "committed", frees: true },
    );
  }

  /** Removes rows that nothing reaches, with the edges that leave them; returns their names. */
  removeUnreached(isReached: (name: string) => boolean): string[] {
    const names = this.#state.all<{ name: string }>("SELECT name FROM snapshot ORDER BY id").map(({ name }) => name);
    const unreached = names.filter((name) => !isReached(name));
    for (const name of unreached) {
      this.#state.run("DELETE FROM snapshot WHERE name = ?", name);
      removeEdgesFrom(this.#state, { kind: "snapshot", id: name });
    }
    return unreached;
  }

  setUsage(id: number, { bytes, inodes }: SnapshotUsage): void {
    const sql = "UPDATE snapshot SET bytes = ?, inodes = ? WHERE id = ? AND kind = 'committed'";
    this.#state.note(sql, bytes, inodes, id);
  }

  /** Runs `fn`, which takes something away, while no other process can insert or remove a row. */
  exclusively<T>(fn: () => T): T {
    return this.#state.transaction(fn, { frees: true });
  }

  #expectFree(name: string, doing: string): void {
    if (this.find(name) !== undefined) throw new VarveError("already-exists", `Cannot ${doing}: ${name} exists`);
  }

  #expectCommitted(parent: string, doing: string): void {
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
    kind: row["kind"] as SnapshotKind,
    parents: parseJson(String(row["parents"]), "the parents of a snapshot").strings() ?? [],
    volatile: row["volatile"] === 1,
    merged: row["merged"] === 1,
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
      const missing = top.parents
        .map((name) => byName.get(name))
        .filter((parent) => parent !== undefined && !done.has(parent));
      if (missing.length === 0) done.add(stack.pop() as SnapshotRow);
      else stack.push(...(missing as SnapshotRow[]));
    }
  }
  return [...done];
}

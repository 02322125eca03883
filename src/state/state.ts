import { dirname, join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { VarveError } from "../core/index.ts";
import { spaceFailure, toStateError } from "./errors.ts";
import { openDatabase, tooNew } from "./open.ts";
import { Reserve } from "./reserve.ts";
import type { Tables } from "./tables.ts";

export type SqlValue = null | number | bigint | string | Uint8Array;
/** A row has no prototype: copy it (`{ ...row }`) before a strict deep comparison. */
export type Row = Record<string, SqlValue>;

export interface TransactionOptions {
  /**
   * True: this transaction and all earlier ones survive a power failure once `transaction` has returned. Needed before an effect
   * outside the database that depends on the commit, such as removing a file. Only the outermost transaction's option counts.
   */
  readonly durable?: boolean | undefined;
  /**
   * True: the transaction frees space. On a full disk, a part of the root's reserve is released and `fn` runs again. Only the outermost
   * transaction's option counts.
   */
  readonly frees?: boolean | undefined;
}

/**
 * The embedded database. All calls are synchronous; prepared statements are cached by their text. Any number of
 * processes may open the same database. Errors of SQLite become `VarveError`: `busy`, `corrupt`, `storage`, `already-exists`
 * (a unique key that is taken), `internal`.
 */
export interface Database extends Disposable {
  readonly path: string;
  readonly db: DatabaseSync;
  /** Returns the first row, or undefined. The caller is responsible for the row type `T`. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- names the type of the row, as `all` does
  get<T = Row>(sql: string, ...values: readonly SqlValue[]): T | undefined;
  all<T = Row>(sql: string, ...values: readonly SqlValue[]): T[];
  run(sql: string, ...values: readonly SqlValue[]): { changes: number };
  /** As `run`, for data that can be computed again: on a full disk nothing is written, without an error. */
  note(sql: string, ...values: readonly SqlValue[]): void;
  /**
   * Runs `fn` in a transaction that holds the write lock from its start (BEGIN IMMEDIATE). `fn` is synchronous. An inner
   * transaction joins the outer one; if it throws, only its own changes are rolled back, so that the outer one may catch and continue.
   */
  transaction<T>(fn: () => T, options?: TransactionOptions): T;
  /**
   * Creates missing tables and migrates existing ones, in one transaction. Free for tables that this connection has installed.
   *
   * @throws {VarveError} `unsupported` for tables of a newer version.
   */
  install(...tables: readonly Tables[]): void;
  /** True while a transaction of this connection is open. */
  readonly inTransaction: boolean;
  close(): void;
}

const MAX_STATEMENTS = 512;

class SqliteDatabase implements Database {
  readonly path: string;
  readonly db: DatabaseSync;
  readonly #reserve: Reserve | undefined;
  readonly #statements = new Map<string, StatementSync>();
  /** Versions of tables, as this connection last saw them. */
  readonly #versions = new Map<string, number>();
  #depth = 0;

  constructor(path: string, db: DatabaseSync, reserve: Reserve | undefined) {
    this.path = path;
    this.db = db;
    this.#reserve = reserve;
  }

  get inTransaction(): boolean {
    return this.#depth > 0;
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- names the type of the row, as `all` does
  get<T = Row>(sql: string, ...values: readonly SqlValue[]): T | undefined {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the caller names the columns of its own table
    return this.#guard("read state", () => this.#statement(sql).get(...values) as T | undefined);
  }

  all<T = Row>(sql: string, ...values: readonly SqlValue[]): T[] {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as in `get`
    return this.#guard("read state", () => this.#statement(sql).all(...values) as T[]);
  }

  run(sql: string, ...values: readonly SqlValue[]): { changes: number } {
    if (this.#depth > 0 && !this.db.isTransaction)
      throw new VarveError("storage", "Cannot write state: an earlier failure rolled the transaction back");
    return this.#guard("write state", () => ({ changes: Number(this.#statement(sql).run(...values).changes) }));
  }

  note(sql: string, ...values: readonly SqlValue[]): void {
    try {
      this.run(sql, ...values);
    } catch (error) {
      if (spaceFailure(error) !== "full") throw error;
    }
  }

  transaction<T>(fn: () => T, { durable = false, frees = false }: TransactionOptions = {}): T {
    if (this.#depth > 0) return this.#scope(`SAVEPOINT s${this.#depth}`, `RELEASE s${this.#depth}`, fn);
    this.#reserve?.fill();
    const whole = (): T => (durable ? this.#durably(fn) : this.#scope("BEGIN IMMEDIATE", "COMMIT", fn));
    return frees && this.#reserve !== undefined ? this.#reserve.lend(whole) : whole();
  }

  install(...tables: readonly Tables[]): void {
    const isCurrent = ({ name, migrations }: Tables): boolean => this.#versions.get(name) === migrations.length;
    if (tables.every(isCurrent)) return;
    this.#readVersions();
    if (tables.every(isCurrent)) return;
    this.transaction(() => {
      this.#readVersions();
      for (const each of tables) this.#migrate(each);
    });
  }

  close(): void {
    this.#statements.clear();
    if (!this.db.isOpen) return;
    this.db.close();
    this.#reserve?.fill();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #readVersions(): void {
    for (const { name, version } of this.all<{ name: string; version: number }>("SELECT * FROM tables_version"))
      this.#versions.set(name, version);
  }

  #migrate({ name, migrations }: Tables): void {
    const found = this.#versions.get(name) ?? 0;
    const known = migrations.length;
    if (found > known) throw tooNew(`${this.path} (${name})`, found, known);
    if (found === known) return;
    this.#guard(`migrate state ${this.path}`, () => {
      for (const step of migrations.slice(found)) this.db.exec(step);
    });
    this.run("INSERT OR REPLACE INTO tables_version VALUES (?, ?)", name, known);
    this.#versions.set(name, known);
  }

  #durably<T>(fn: () => T): T {
    this.db.exec("PRAGMA synchronous = FULL");
    try {
      return this.#scope("BEGIN IMMEDIATE", "COMMIT", fn);
    } finally {
      this.db.exec("PRAGMA synchronous = NORMAL");
    }
  }

  #scope<T>(begin: string, end: string, fn: () => T): T {
    const undo = this.#depth === 0 ? "ROLLBACK" : `ROLLBACK TO s${this.#depth}; RELEASE s${this.#depth}`;
    this.#guard("begin a transaction of state", () => this.db.exec(begin));
    this.#depth += 1;
    try {
      const result = fn();
      if (result instanceof Promise)
        throw new VarveError("internal", "Cannot commit a transaction: its function is asynchronous");
      this.#guard("commit a transaction of state", () => this.db.exec(end));
      return result;
    } catch (error) {
      // SQLite has already rolled back after some failures, such as a full disk.
      if (this.db.isTransaction) this.db.exec(undo);
      throw error;
    } finally {
      this.#depth -= 1;
    }
  }

  #statement(sql: string): StatementSync {
    const kept = this.#statements.get(sql);
    if (kept !== undefined) return kept;
    const oldest = this.#statements.size < MAX_STATEMENTS ? undefined : this.#statements.keys().next().value;
    if (oldest !== undefined) this.#statements.delete(oldest);
    const statement = this.db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #guard<T>(doing: string, fn: () => T): T {
    try {
      return fn();
    } catch (error) {
      throw toStateError(error, doing, this.path);
    }
  }
}

/**
 * Opens the database of a root, and creates it if it does not exist; `:memory:` is a database without a file. It opens on a full disk
 * too: the directory `reserve` beside it holds space for that.
 *
 * @throws {VarveError} `unsupported` for a newer version or another program's database; `corrupt` for a damaged one.
 *
 * @example
 * using state = openState("/var/lib/varve/state.db");
 * state.install(contentTables);
 */
export function openState(path: string): Database {
  const open = (): DatabaseSync => {
    try {
      return openDatabase(path);
    } catch (error) {
      throw toStateError(error, `open state ${path}`, path);
    }
  };
  if (path === ":memory:") return new SqliteDatabase(path, open(), undefined);
  const reserve = new Reserve(join(dirname(path), "reserve"), path);
  // SQLite cannot even read a database without creating its log and index, which need space.
  reserve.makeRoom();
  const state = new SqliteDatabase(path, reserve.lend(open), reserve);
  reserve.fill();
  return state;
}

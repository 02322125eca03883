import type { DatabaseSync, StatementSync } from "node:sqlite";
import { VarveError } from "../core/index.ts";
import { toStateError } from "./errors.ts";
import { openDatabase } from "./open.ts";

export type SqlValue = null | number | bigint | string | Uint8Array;
/** A row has no prototype: copy it (`{ ...row }`) before a strict deep comparison. */
export type Row = Record<string, SqlValue>;

export interface TransactionOptions {
  /**
   * True: what is committed, now and before, survives a loss of power once `transaction` has returned. Needed before
   * an effect outside the database, such as removing a file, that must not outlive the rows that allowed it. Heeded on
   * the outermost transaction only.
   */
  readonly durable?: boolean;
}

/**
 * The embedded database. Synchronous throughout; a statement is prepared once and kept by its text. Any number of
 * processes may have one open. Errors of SQLite become `VarveError`: `busy`, `corrupt`, `storage`, `already-exists`
 * (a unique key that is taken), `internal`.
 */
export interface State extends Disposable {
  readonly path: string;
  readonly db: DatabaseSync;
  /** The first row, or undefined. The caller vouches for the type `T` of the row. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- names the type of the row, as `all` does
  get<T = Row>(sql: string, ...values: readonly SqlValue[]): T | undefined;
  all<T = Row>(sql: string, ...values: readonly SqlValue[]): T[];
  run(sql: string, ...values: readonly SqlValue[]): { changes: number };
  /**
   * Runs `fn` in a transaction that holds the write lock from its start (BEGIN IMMEDIATE). `fn` is synchronous. An inner
   * transaction joins the outer one; if it throws, only its own changes are undone, so the outer one may catch and go on.
   */
  transaction<T>(fn: () => T, options?: TransactionOptions): T;
  /** True while a transaction of this connection is open. */
  readonly inTransaction: boolean;
  close(): void;
}

const MAX_STATEMENTS = 512;

class SqliteState implements State {
  readonly path: string;
  readonly db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #depth = 0;

  constructor(path: string, db: DatabaseSync) {
    this.path = path;
    this.db = db;
  }

  get inTransaction(): boolean {
    return this.#depth > 0;
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- names the type of the row, as `all` does
  get<T = Row>(sql: string, ...values: readonly SqlValue[]): T | undefined {
    return this.#guard("read state", () => this.#statement(sql).get(...values) as T | undefined);
  }

  all<T = Row>(sql: string, ...values: readonly SqlValue[]): T[] {
    return this.#guard("read state", () => this.#statement(sql).all(...values) as T[]);
  }

  run(sql: string, ...values: readonly SqlValue[]): { changes: number } {
    if (this.#depth > 0 && !this.db.isTransaction)
      throw new VarveError("storage", "Cannot write state: an earlier failure has undone the transaction");
    return this.#guard("write state", () => ({ changes: Number(this.#statement(sql).run(...values).changes) }));
  }

  transaction<T>(fn: () => T, { durable = false }: TransactionOptions = {}): T {
    if (this.#depth > 0) return this.#scope(`SAVEPOINT s${this.#depth}`, `RELEASE s${this.#depth}`, fn);
    if (!durable) return this.#scope("BEGIN IMMEDIATE", "COMMIT", fn);
    this.db.exec("PRAGMA synchronous = FULL");
    try {
      return this.#scope("BEGIN IMMEDIATE", "COMMIT", fn);
    } finally {
      this.db.exec("PRAGMA synchronous = NORMAL");
    }
  }

  close(): void {
    this.#statements.clear();
    if (this.db.isOpen) this.db.close();
  }

  [Symbol.dispose](): void {
    this.close();
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
 * Opens the database of a root, making it if there is none; `:memory:` is one that dies with its handle. Throws
 * `unsupported` for a version from the future or another program's database, `corrupt` for a damaged one.
 */
export function openState(path: string): State {
  try {
    return new SqliteState(path, openDatabase(path));
  } catch (error) {
    throw toStateError(error, `open state ${path}`, path);
  }
}

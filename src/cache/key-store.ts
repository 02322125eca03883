import { cacheTables } from "./schema.ts";
import {
  type CacheKeyStore,
  type KeyChange,
  type KeyDigest,
  type KeyLink,
  RECORD_OUTPUT,
  type Selector,
  type StoredResult,
  recordDigest,
} from "../solver/index.ts";
import type { Database } from "../state/index.ts";

/** A link with the keys at both ends. */
export interface LinkRow {
  readonly from: string;
  readonly link: KeyLink;
  readonly to: string;
}

/** A row of `cache_link`. */
interface Row {
  readonly source: string;
  readonly digest: KeyDigest;
  readonly output: number;
  readonly input: number;
  readonly selector: Selector | "";
  readonly target: string;
}

/** A row of `cache_result`. */
interface ResultRow {
  readonly result: string;
  readonly created_at: number;
}

const LINK = "source = ? AND digest = ? AND output = ? AND input = ? AND selector = ?";
const DEAD_END = `
  NOT EXISTS (SELECT 1 FROM cache_result WHERE key = cache_link.target)
  AND NOT EXISTS (SELECT 1 FROM cache_link AS further WHERE further.source = cache_link.target)`;

/**
 * The cache key store in the embedded database. Any number of processes may use one database at the same time. Each `write` is
 * one transaction.
 *
 * @example
 * using database = openState(path);
 * const keys = new SqliteKeyStore(database);
 */
export class SqliteKeyStore implements CacheKeyStore {
  readonly #state: Database;

  constructor(state: Database) {
    state.install(cacheTables);
    this.#state = state;
  }

  exists(key: string): boolean {
    const sql = `SELECT EXISTS (SELECT 1 FROM cache_result WHERE key = ?)
      OR EXISTS (SELECT 1 FROM cache_link WHERE source = ?) OR EXISTS (SELECT 1 FROM cache_link WHERE target = ?) AS found`;
    return this.#state.get<{ found: number }>(sql, key, key, key)?.found === 1;
  }

  walk(): string[] {
    const sql = `SELECT key FROM cache_result UNION SELECT source FROM cache_link UNION SELECT target FROM cache_link`;
    return this.#state.all<{ key: string }>(sql).map(({ key }) => key);
  }

  results(key: string): StoredResult[] {
    const sql = "SELECT result, created_at FROM cache_result WHERE key = ? ORDER BY created_at DESC, result";
    return this.#state.all<ResultRow>(sql, key).map(storedResult);
  }

  result(key: string, result: string): StoredResult | undefined {
    const sql = "SELECT result, created_at FROM cache_result WHERE key = ? AND result = ?";
    const row = this.#state.get<ResultRow>(sql, key, result);
    return row === undefined ? undefined : storedResult(row);
  }

  /** Also follows links from imported cache documents, which contain the digest of the record and not of the op. */
  links(key: string, link: KeyLink): string[] {
    const sql = `SELECT target FROM cache_link WHERE ${LINK} UNION SELECT target FROM cache_link WHERE ${LINK}`;
    const rows = this.#state.all<{ target: string }>(sql, ...values(key, link), ...values(key, byRecord(link)));
    return rows.map(({ target }) => target);
  }

  hasLink(from: string, link: KeyLink, to: string): boolean {
    const sql = `SELECT 1 AS found FROM cache_link WHERE ${LINK} AND target = ?`;
    return this.#state.get(sql, ...values(from, link), to) !== undefined;
  }

  outgoing(key: string): { to: string; link: KeyLink }[] {
    return this.#state.all<Row>("SELECT * FROM cache_link WHERE source = ?", key).map(linkRow);
  }

  backlinks(key: string): { from: string; link: KeyLink }[] {
    return this.#state.all<Row>("SELECT * FROM cache_link WHERE target = ?", key).map(linkRow);
  }

  hasOp(digest: KeyDigest, output: number): boolean {
    const sql =
      "SELECT 1 AS found FROM cache_link WHERE (digest = ? AND output = ?) OR (digest = ? AND output = ?) LIMIT 1";
    return this.#state.get(sql, digest, output, recordDigest(digest, output), RECORD_OUTPUT) !== undefined;
  }

  keysOfResult(result: string): string[] {
    const rows = this.#state.all<{ key: string }>("SELECT key FROM cache_result WHERE result = ?", result);
    return rows.map(({ key }) => key);
  }

  /** Returns every result once. */
  allResults(): string[] {
    return this.#state.all<{ result: string }>("SELECT DISTINCT result FROM cache_result").map(({ result }) => result);
  }

  write(changes: readonly KeyChange[]): void {
    if (changes.length === 0) return;
    this.#state.transaction(() => {
      for (const change of changes) this.#apply(change);
    });
  }

  release(result: string): void {
    this.#state.transaction(
      () => {
        const keys = this.keysOfResult(result);
        this.#state.run("DELETE FROM cache_result WHERE result = ?", result);
        for (const key of keys) this.#pruneUpwards(key);
      },
      { frees: true },
    );
  }

  /** Removes every link that leads to no result, directly or not. Returns the number of removed links. */
  pruneLinks(): number {
    return this.#state.transaction(
      () => {
        for (let pruned = 0; ;) {
          const { changes } = this.#state.run(`DELETE FROM cache_link WHERE ${DEAD_END}`);
          if (changes === 0) return pruned;
          pruned += changes;
        }
      },
      { frees: true },
    );
  }

  #apply(change: KeyChange): void {
    if (change.kind === "link") {
      const sql = `INSERT INTO cache_link (source, digest, output, input, selector, target) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT DO NOTHING`;
      this.#state.run(sql, ...values(change.from, change.link), change.to);
      return;
    }
    const { key, result } = change;
    const sql = `INSERT INTO cache_result (key, result, created_at) VALUES (?, ?, ?)
      ON CONFLICT DO UPDATE SET created_at = excluded.created_at`;
    this.#state.run(sql, key, result.id, result.createdAt);
  }

  /** Removes the links to a key that has neither results nor outgoing links, then checks the keys they came from. */
  #pruneUpwards(first: string): void {
    const open = [first];
    for (let key = open.pop(); key !== undefined; key = open.pop()) {
      const sources = this.#state.all<{ source: string }>(
        "SELECT DISTINCT source FROM cache_link WHERE target = ?",
        key,
      );
      const { changes } = this.#state.run(`DELETE FROM cache_link WHERE target = ? AND ${DEAD_END}`, key);
      if (changes > 0) open.push(...sources.map(({ source }) => source));
    }
  }
}

/** Returns the link as an imported cache document contains it. */
function byRecord(link: KeyLink): KeyLink {
  return { ...link, output: RECORD_OUTPUT, digest: recordDigest(link.digest, link.output) };
}

function values(key: string, { digest, output, input, selector }: KeyLink): [string, string, number, number, string] {
  return [key, digest, output, input, selector];
}

function storedResult({ result, created_at }: ResultRow): StoredResult {
  return { id: result, createdAt: created_at };
}

function linkRow({ source, target, digest, output, input, selector }: Row): LinkRow {
  return { from: source, to: target, link: { input, output, digest, selector } };
}

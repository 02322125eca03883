import { createHmac, randomBytes } from "node:crypto";
import { type Digest, parseDigest } from "../core/index.ts";
import type { Database, Tables } from "../state/index.ts";

/** `secret_key` has one row. `tree_digest` has the content digests of results, by their ids. */
const stepDigestTables: Tables = {
  name: "step_digest",
  migrations: [
    `
CREATE TABLE secret_key (
  id INTEGER PRIMARY KEY CHECK (id = 0),
  key BLOB NOT NULL
) STRICT;
CREATE TABLE tree_digest (
  result TEXT PRIMARY KEY,
  digest TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`,
  ],
};

const KEY_BYTES = 32;

/** Digests that directives such as `# varve: secret=ID` and `# varve: cutoff` add to cache keys. They are kept in the root. */
export class StepDigests {
  readonly #state: Database;

  constructor(state: Database) {
    this.#state = state;
  }

  /**
   * Returns a keyed digest of a secret: 64 hexadecimal digits. The key is random, is made once for each root, and never leaves it, so
   * that nobody outside can test guesses of the secret.
   */
  ofSecret(value: Uint8Array): string {
    return createHmac("sha256", this.#secretKey()).update(value).digest("hex");
  }

  /** Returns the digest of the files of a result. `compute` is called if it is not known yet. */
  async ofTree(result: string, compute: () => Promise<Digest | undefined>): Promise<Digest | undefined> {
    this.#state.install(stepDigestTables);
    const row = this.#state.get<{ digest: string }>("SELECT digest FROM tree_digest WHERE result = ?", result);
    if (row !== undefined) return parseDigest(row.digest);
    const digest = await compute();
    if (digest !== undefined) this.#saveTree(result, digest);
    return digest;
  }

  /** Also removes the digests of results that are no longer cached. */
  #saveTree(result: string, digest: Digest): void {
    this.#state.transaction(() => {
      this.#state.run("DELETE FROM tree_digest WHERE result NOT IN (SELECT result FROM cache_result)");
      this.#state.run("INSERT OR REPLACE INTO tree_digest VALUES (?, ?)", result, digest);
    });
  }

  #secretKey(): Uint8Array {
    this.#state.install(stepDigestTables);
    return this.#state.transaction(() => {
      this.#state.run("INSERT OR IGNORE INTO secret_key VALUES (0, ?)", randomBytes(KEY_BYTES));
      const row = this.#state.get<{ key: Uint8Array }>("SELECT key FROM secret_key");
      return row?.key ?? new Uint8Array();
    });
  }
}

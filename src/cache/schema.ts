import type { Tables } from "../state/index.ts";

/**
 * Cache keys. A key is a text: the record digest of a root, or a name of its own. It has no row: it exists while a result
 * hangs on it or a link leads to or from it. `created_at` is in milliseconds since 1970, with a fraction where an imported
 * cache gives one; `selector` is empty for none.
 */
export const cacheTables: Tables = {
  name: "cache",
  migrations: [
    `
CREATE TABLE cache_result (
  key TEXT NOT NULL,
  result TEXT NOT NULL,
  created_at REAL NOT NULL,
  PRIMARY KEY (key, result)
) WITHOUT ROWID;
CREATE INDEX cache_result_result ON cache_result (result);
CREATE TABLE cache_link (
  source TEXT NOT NULL,
  digest TEXT NOT NULL,
  output INTEGER NOT NULL,
  input INTEGER NOT NULL,
  selector TEXT NOT NULL,
  target TEXT NOT NULL,
  PRIMARY KEY (source, digest, output, input, selector, target)
) WITHOUT ROWID;
CREATE INDEX cache_link_target ON cache_link (target);
CREATE INDEX cache_link_digest ON cache_link (digest, output);
`,
  ],
};

import type { Tables } from "../state/index.ts";

/**
 * The tables of cache keys. A key is a string: the record digest of a root key, or an id made from links. A key has no row of
 * its own; it exists as long as it has a result or a link. `created_at` is in milliseconds since 1970, with a fraction if an
 * imported cache has one. `selector` is empty for none.
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

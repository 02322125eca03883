import type { Tables } from "../state/index.ts";

/**
 * Records: each row is a layer, a merge of layers, or a cache mount. Edges in the content module's tables lead from a record
 * to what it keeps alive. `parents`, `sources`, `annotations` and `urls` are JSON.
 */
export const recordTables: Tables = {
  name: "record",
  migrations: [
    `
CREATE TABLE record (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  parents TEXT NOT NULL,
  type TEXT NOT NULL,
  description TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  last_used_at INTEGER,
  usage_count INTEGER NOT NULL,
  key TEXT,
  snapshot TEXT,
  snapshot_bytes INTEGER,
  diff_id TEXT,
  blob TEXT,
  blob_size INTEGER,
  media_type TEXT,
  sources TEXT,
  annotations TEXT,
  chain_id TEXT,
  blob_chain_id TEXT
);
CREATE INDEX record_chain ON record (chain_id) WHERE chain_id IS NOT NULL;
CREATE INDEX record_blob_chain ON record (blob_chain_id) WHERE blob_chain_id IS NOT NULL;
CREATE INDEX record_key ON record (key) WHERE key IS NOT NULL;
CREATE TABLE record_variant (
  record TEXT NOT NULL,
  blob TEXT NOT NULL,
  diff_id TEXT NOT NULL,
  blob_size INTEGER NOT NULL,
  media_type TEXT NOT NULL,
  PRIMARY KEY (record, blob)
) WITHOUT ROWID;
`,
    `
ALTER TABLE record ADD COLUMN urls TEXT;
`,
    `
CREATE TABLE blob_member (
  key TEXT PRIMARY KEY,
  blob TEXT NOT NULL,
  position INTEGER NOT NULL,
  size INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX blob_member_blob ON blob_member (blob);
`,
    `
CREATE TABLE layer_version (
  place TEXT PRIMARY KEY,
  record TEXT NOT NULL,
  snapshot TEXT NOT NULL,
  listing BLOB NOT NULL,
  saved_at INTEGER NOT NULL
);
`,
  ],
};

import type { Tables } from "../state/index.ts";

/**
 * Tables of the content store and of the reachability graph.
 *
 * `edge` keeps things alive: whatever can be reached from a root stays. Roots are leases that have not expired, and
 * whatever is of kind `image` or `record` and has an edge leaving it. `blob` and `snapshot` are never roots.
 */
export const contentTables: Tables = {
  name: "content",
  migrations: [
    `
CREATE TABLE blob (
  digest     TEXT PRIMARY KEY,
  size       INTEGER NOT NULL CHECK (size >= 0),
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE blob_label (
  digest TEXT NOT NULL,
  key    TEXT NOT NULL,
  value  TEXT NOT NULL,
  PRIMARY KEY (digest, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE lease (
  id         TEXT PRIMARY KEY,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  labels     TEXT NOT NULL DEFAULT '{}'
) STRICT, WITHOUT ROWID;

CREATE INDEX lease_expiry ON lease (expires_at);

CREATE TABLE edge (
  from_kind TEXT NOT NULL CHECK (from_kind IN ('lease', 'image', 'record', 'blob', 'snapshot')),
  from_id   TEXT NOT NULL,
  to_kind   TEXT NOT NULL CHECK (to_kind IN ('record', 'blob', 'snapshot')),
  to_id     TEXT NOT NULL,
  PRIMARY KEY (from_kind, from_id, to_kind, to_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX edge_to ON edge (to_kind, to_id);
`,
  ],
};

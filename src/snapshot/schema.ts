import type { Tables } from "../state/index.ts";

/**
 * Snapshots by key (active, view) or name (committed). `id` names the directory and is never used again; `parents` is a JSON
 * array, lowest first, of names. `volatile` is 1 if syncs are left out while the snapshot is active, `merged` is 1 for a merge. `bytes` and `inodes` are
 * a committed snapshot's usage once somebody has asked for it.
 */
export const snapshotTables: Tables = {
  name: "snapshot",
  migrations: [
    `
CREATE TABLE snapshot (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  name       TEXT NOT NULL UNIQUE,
  kind       TEXT NOT NULL CHECK (kind IN ('active', 'view', 'committed')),
  parents    TEXT NOT NULL DEFAULT '[]',
  driver     TEXT NOT NULL,
  volatile   INTEGER NOT NULL DEFAULT 0,
  merged     INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  bytes      INTEGER,
  inodes     INTEGER
) STRICT;
`,
  ],
};

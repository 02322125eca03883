import type { Tables } from "../state/index.ts";

/**
 * Snapshots by key (active snapshots, views) or name (committed snapshots). `id` is the name of the directory and is never
 * reused. `parents` is a JSON array of names, lowest first. `volatile` is 1 if an active snapshot is mounted without syncs.
 * `merged` is 1 for a merge. `moved` is 1 for a snapshot whose layer is that of its last parent, on top of its first one. `revision` is the number of earlier versions of its layer below a snapshot. `unsynced` is the id of the machine's run in which a snapshot was committed, until its tree is on disk. `bytes` and `inodes` are the disk usage of a committed snapshot, once it was measured.
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
    `
ALTER TABLE snapshot ADD COLUMN unsynced TEXT;
CREATE INDEX snapshot_unsynced ON snapshot (unsynced) WHERE unsynced IS NOT NULL;
`,
    `
ALTER TABLE snapshot ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
`,
    `
ALTER TABLE snapshot ADD COLUMN moved INTEGER NOT NULL DEFAULT 0;
`,
  ],
};

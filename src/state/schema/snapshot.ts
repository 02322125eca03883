/** Snapshots by key (active, view) or name (committed). `id` names the directory; `parents` is a JSON array, lowest first. */
export const snapshot: string = `
CREATE TABLE snapshot (
  name       TEXT PRIMARY KEY,
  kind       TEXT NOT NULL CHECK (kind IN ('active', 'view', 'committed')),
  parents    TEXT NOT NULL DEFAULT '[]',
  id         INTEGER NOT NULL UNIQUE,
  driver     TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
`;

import type { Tables } from "../state/index.ts";

/**
 * Tables of the per-file checksum cache of build contexts. A root is a directory that has been a context, known by its
 * path, device and inode; `entries` holds what is known of the files of one directory of it (contenthash/stat-cache.ts).
 */
export const contextTables: Tables = {
  name: "context",
  migrations: [
    `
CREATE TABLE context_root (
  id INTEGER PRIMARY KEY,
  path BLOB NOT NULL UNIQUE,
  dev TEXT NOT NULL,
  ino TEXT NOT NULL,
  saved_at INTEGER NOT NULL
);
CREATE TABLE context_directory (
  root INTEGER NOT NULL REFERENCES context_root(id) ON DELETE CASCADE,
  path BLOB NOT NULL,
  entries BLOB NOT NULL,
  PRIMARY KEY (root, path)
) WITHOUT ROWID;
`,
  ],
};

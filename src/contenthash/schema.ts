import type { Tables } from "../state/index.ts";

/**
 * Tables of the cache of file digests in build contexts. A root is a directory that was used as a context, identified by its path,
 * device and inode. `entries` contains the cached digests of one directory below it, encoded by `entry-codec.ts`.
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

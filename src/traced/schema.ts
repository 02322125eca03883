import type { Tables } from "../state/index.ts";

/**
 * `traced_step`: what steps have opened. `op` is the cache digest of the op, `input` the record of its root, `others` what identifies its
 * other inputs, `result` the record that it made, `mounts` what they have opened in bind mounts, if that is known. Rows keep no record
 * alive. `traced_layer`: the entries of directories with layers, by their paths, those of records whose files are not here
 * (`record <id>`), and those of what was mounted (`mount <content key>`). All never change, and their names are used once.
 * `traced_distrust`: ops whose runs have not made what was recorded. Times are milliseconds since 1970.
 */
export const tracedTables: Tables = {
  name: "traced",
  migrations: [
    `
CREATE TABLE traced_step (
  op TEXT NOT NULL,
  input TEXT NOT NULL,
  others TEXT NOT NULL,
  result TEXT NOT NULL,
  made_at INTEGER NOT NULL,
  accesses BLOB NOT NULL,
  PRIMARY KEY (op, input, others)
) STRICT, WITHOUT ROWID;
CREATE INDEX traced_step_made_at ON traced_step (made_at);
CREATE TABLE traced_layer (
  directory TEXT PRIMARY KEY,
  used_at INTEGER NOT NULL,
  entries BLOB NOT NULL
) STRICT;
CREATE TABLE traced_distrust (
  op TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
`,
    // The digests of attributes have changed.
    "DELETE FROM traced_layer",
    "ALTER TABLE traced_step ADD COLUMN mounts BLOB",
  ],
};

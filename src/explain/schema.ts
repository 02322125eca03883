import type { Tables } from "../state/index.ts";

/**
 * What the keys of cached results were made of. `explain_step.result` is the id of a record or of an image, `scope` says which project the
 * step belongs to, and starts with `images ` for an image, `position` where it is in its Dockerfile. `instruction` is a digest of its text. After the result was removed,
 * `pruned_at` is set. `explain_list` has the ids of chunks, one after the other. `explain_build.steps` has what is known of the steps of a build that ran some. Times are milliseconds since 1970.
 */
export const explainTables: Tables = {
  name: "explain",
  migrations: [
    `
CREATE TABLE explain_step (
  result TEXT NOT NULL,
  op TEXT NOT NULL,
  scope TEXT NOT NULL,
  stage TEXT NOT NULL,
  position INTEGER NOT NULL,
  instruction TEXT NOT NULL,
  made_at INTEGER NOT NULL,
  pruned_at INTEGER,
  facts BLOB NOT NULL,
  PRIMARY KEY (result, op)
) WITHOUT ROWID;
CREATE INDEX explain_step_place ON explain_step (scope, stage, position, made_at);
CREATE INDEX explain_step_instruction ON explain_step (instruction, made_at);
CREATE TABLE explain_list (
  id TEXT PRIMARY KEY,
  chunks BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE explain_chunk (
  id BLOB PRIMARY KEY,
  files BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE explain_key (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  key BLOB NOT NULL
);
`,
    `
CREATE TABLE explain_build (
  ref TEXT PRIMARY KEY,
  ended_at INTEGER NOT NULL,
  steps BLOB NOT NULL
) WITHOUT ROWID;
`,
    // Chunks were compressed before.
    `
DELETE FROM explain_list;
DELETE FROM explain_chunk;
`,
  ],
};

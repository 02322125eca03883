import type { Tables } from "../state/index.ts";

/** The runs that provenance names, by what it says apart from the run. `used_at` is in milliseconds since 1970. */
export const attestTables: Tables = {
  name: "attest",
  migrations: [
    `
CREATE TABLE invocation (
  provenance TEXT PRIMARY KEY,
  id TEXT NOT NULL,
  started_on TEXT NOT NULL,
  finished_on TEXT NOT NULL,
  used_at INTEGER NOT NULL
) STRICT;
CREATE INDEX invocation_used ON invocation (used_at);
`,
  ],
};

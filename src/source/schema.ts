import type { Tables } from "../state/index.ts";

/** What sources remember between builds: for each URL the entity tag that saves downloading its body again. */
export const sourceTables: Tables = {
  name: "source",
  migrations: [
    `
CREATE TABLE http_source (
  url TEXT PRIMARY KEY,
  etag TEXT,
  last_modified TEXT,
  digest TEXT NOT NULL,
  filename TEXT NOT NULL
) WITHOUT ROWID;
`,
  ],
};

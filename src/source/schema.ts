import type { Tables } from "../state/index.ts";

/** The table of downloads: for each URL the entity tag, so that an unchanged file is not downloaded again. */
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

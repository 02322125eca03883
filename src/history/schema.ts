import type { Tables } from "../state/index.ts";

/**
 * Builds that have ended, and the blobs that belong to them. A blob is stored once for each build, in parts, so that it goes with its
 * build. `size` is that of the part's bytes, `data` are these bytes, compressed with zstd if `is_compressed`.
 */
export const historyTables: Tables = {
  name: "history",
  migrations: [
    `
CREATE TABLE build_record (
  ref TEXT PRIMARY KEY,
  created_at INTEGER NOT NULL,
  completed_at INTEGER NOT NULL,
  is_pinned INTEGER NOT NULL,
  data TEXT NOT NULL
) STRICT;
CREATE INDEX build_record_created ON build_record (created_at);
CREATE INDEX build_record_completed ON build_record (is_pinned, completed_at);

CREATE TABLE build_blob (
  ref TEXT NOT NULL,
  digest TEXT NOT NULL,
  part INTEGER NOT NULL,
  size INTEGER NOT NULL,
  media_type TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  is_compressed INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (ref, digest, part)
) STRICT;
CREATE INDEX build_blob_digest ON build_blob (digest, ref, part, size);
`,
  ],
};

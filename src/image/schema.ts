import type { Tables } from "../state/index.ts";

/**
 * - `image`: names. `name` is normalised, `descriptor` the JSON of the manifest's or index's descriptor, times in ms.
 * - `local_image`: images that were made here, and those that lost their name. `id` is the digest of the config, `descriptor`
 *   the JSON of the manifest's descriptor, `parent` the ID of the image below (NULL for none), `container_config` the JSON it
 *   was committed with, `built_here` 1 if a step or a commit on this machine made it. Each row has the edge
 *   (image, id) → (blob, manifest), which keeps the image whether or not it has a name.
 */
export const imageTables: Tables = {
  name: "image",
  migrations: [
    `
CREATE TABLE image (
  name       TEXT PRIMARY KEY,
  descriptor TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`,
    `
CREATE TABLE local_image (
  id               TEXT PRIMARY KEY,
  manifest         TEXT NOT NULL,
  descriptor       TEXT NOT NULL,
  parent           TEXT,
  container_config TEXT,
  built_here       INTEGER NOT NULL CHECK (built_here IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX local_image_parent ON local_image (parent);
CREATE INDEX local_image_manifest ON local_image (manifest);
`,
  ],
};

/** Named images. `name` is normalised, `descriptor` the JSON of the manifest's or index's descriptor, times in ms. */
export const image: string = `
CREATE TABLE image (
  name       TEXT PRIMARY KEY,
  descriptor TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;

/** Marks a file as ours: `PRAGMA application_id`, "VARV" in ASCII. */
export const APPLICATION_ID = 0x56_41_52_56;

/** Of `PRAGMA user_version`: how the database says which version the tables of each module have. */
export const FORMAT = 3;

/** The version of each module's tables. */
export const VERSIONS = "CREATE TABLE tables_version (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID";

/** Databases before format 3 had one version for all tables: what it says of each module, by its name. */
export function legacyVersions(format: number): ReadonlyMap<string, number> {
  const names = ["content", "snapshot", "record", "cache", "context", "source"].map((name) => [name, 1] as const);
  return new Map([...names, ["image", format]]);
}

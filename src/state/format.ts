/** Identifies the file as a database of Varve: `PRAGMA application_id`, "VARV" in ASCII. */
export const APPLICATION_ID = 0x56_41_52_56;

/** `PRAGMA user_version`: the format of the version table. */
export const FORMAT = 3;

/** The version of each module's tables. */
export const VERSIONS = "CREATE TABLE tables_version (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID";

/** The versions of the modules' tables in a database before format 3, which had one version for all tables. */
export function legacyVersions(format: number): ReadonlyMap<string, number> {
  const names = ["content", "snapshot", "record", "cache", "context", "source"].map((name) => [name, 1] as const);
  return new Map([...names, ["image", format]]);
}

import { chmodSync, statSync } from "node:fs";
import { VarveError } from "../../core/index.ts";
import { type IdMaps, formatIdMap, makeDirectories, ownIdMaps } from "../../linux/index.ts";
import { hasSnapshots } from "../../snapshot/index.ts";
import type { Database, Tables } from "../../state/index.ts";

/** The ids of the user namespace in which the files of a root have their owners: one row. Roots of the machine's root have no table. */
const idMapTables: Tables = {
  name: "id_maps",
  migrations: [
    `
CREATE TABLE id_maps (
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  users  TEXT NOT NULL,
  groups TEXT NOT NULL
) STRICT;
`,
  ],
};

/** Others may search the root of the machine's root: its steps have users of their own. */
const ROOTS_MODE = 0o711;
/** Files of images may be set-user-id programs. Other users of the machine must not get at those of a user's namespace. */
const USERS_MODE = 0o700;
const OTHERS = 0o077;

/** Creates the directory of a root. */
export function makeRootDirectory(path: string, maps: IdMaps | undefined = ownIdMaps()): void {
  const isUsers = maps !== undefined || process.geteuid?.() !== 0;
  makeDirectories(path, isUsers ? USERS_MODE : ROOTS_MODE);
  if (maps !== undefined && (statSync(path).mode & OTHERS) !== 0) chmodSync(path, USERS_MODE);
}

/**
 * Records the ids of this process's user namespace in a new root.
 * @throws {VarveError} `unsupported` if the files of the root have their owners in another user namespace, or in none
 */
export function checkIdMaps(state: Database, root: string, maps: IdMaps | undefined = ownIdMaps()): void {
  const isRecorded = state.get("SELECT 1 FROM sqlite_schema WHERE name = 'id_maps'") !== undefined;
  if (!isRecorded && maps === undefined) return;
  const recorded = isRecorded ? state.get("SELECT users, groups FROM id_maps") : undefined;
  const [was, is] = [shown(recorded), maps === undefined ? undefined : ids(maps)];
  if (was === is) return;
  if (was === undefined && !hasSnapshots(state)) return record(state, maps);
  const [before, now] = [was ?? "no user namespace", is ?? "no user namespace"].map((text) =>
    text.startsWith("no") ? text : `a user namespace with the ids ${text}`,
  );
  throw new VarveError(
    "unsupported",
    `Cannot use root ${root}: its files were written in ${before}, and this is ${now}`,
    {
      hint: "Use another root (--root), restore the lines of this user in /etc/subuid and /etc/subgid, or remove the root.",
    },
  );
}

function record(state: Database, maps: IdMaps | undefined): void {
  if (maps === undefined) return;
  state.install(idMapTables);
  state.run("INSERT OR IGNORE INTO id_maps VALUES (1, ?, ?)", formatIdMap(maps.users), formatIdMap(maps.groups));
}

function ids({ users, groups }: IdMaps): string {
  return text(formatIdMap(users), formatIdMap(groups));
}

function shown(row: Readonly<Record<string, unknown>> | undefined): string | undefined {
  return row === undefined ? undefined : text(String(row["users"]), String(row["groups"]));
}

function text(users: string, groups: string): string {
  return users === groups ? users : `${users} (groups ${groups})`;
}

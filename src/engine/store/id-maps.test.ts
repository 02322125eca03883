import assert from "node:assert/strict";
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openTestState } from "../../../testing/state.ts";
import { isVarveError } from "../../core/index.ts";
import { temporaryDirectory } from "../../io/index.ts";
import { type IdMaps, parseIdMap } from "../../linux/index.ts";
import { snapshotTables } from "../../snapshot/index.ts";
import { checkIdMaps, makeRootDirectory } from "./id-maps.ts";

function mapsOf(text: string): IdMaps {
  return { users: parseIdMap(text), groups: parseIdMap(text) };
}

const ALICE = mapsOf("0 1001 1\n1 100000 65536\n");
const MORE = mapsOf("0 1001 1\n1 100000 65536\n65537 300000 10\n");

test("a root is used with the ids that it was written with, and no others", async () => {
  await using directory = await temporaryDirectory("varve-ids-");
  using state = openTestState(join(directory.path, "state.db"));
  const check = (maps: IdMaps | undefined): void => checkIdMaps(state, "/r", maps);
  check(undefined);
  check(ALICE);
  check(ALICE);
  for (const other of [undefined, MORE])
    assert.throws(
      () => check(other),
      (error) =>
        isVarveError(error, "unsupported") &&
        /its files were written in a user namespace with the ids 0:1001:1,1:100000:65536, and this is/.test(
          error.message,
        ),
    );
});

test("files of no user namespace are not taken into one", async () => {
  await using directory = await temporaryDirectory("varve-ids-");
  using state = openTestState(join(directory.path, "state.db"));
  state.install(snapshotTables);
  state.run("INSERT INTO snapshot (name, kind, driver, created_at) VALUES ('a', 'committed', 'copy', 0)");
  checkIdMaps(state, "/r", undefined);
  assert.throws(
    () => checkIdMaps(state, "/r", ALICE),
    /written in no user namespace, and this is a user namespace with/,
  );
});

test("only its user can enter the root of a user namespace", async () => {
  await using directory = await temporaryDirectory("varve-ids-");
  const mode = (path: string): number => statSync(path).mode & 0o777;
  const [fresh, open] = [join(directory.path, "fresh"), join(directory.path, "open")];
  mkdirSync(open, { mode: 0o755 });
  for (const path of [fresh, open]) {
    makeRootDirectory(path, ALICE);
    assert.equal(mode(path), 0o700);
  }
});

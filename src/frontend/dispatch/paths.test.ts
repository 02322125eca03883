import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { absolutePath, isAbsolute, workdirPath } from "./paths.ts";

type Row = readonly [
  os: string,
  parent: string,
  path: string,
  ...normalised: readonly (string | null)[],
  isAbsolute: boolean,
];

/** What BuildKit's `system.NormalizePath`, with and without slashes kept, `NormalizeWorkdir` and `IsAbs` give; null is an error. */
const file = new URL("../../../testing/fixtures/platforms/paths.json", import.meta.url);
const rows = JSON.parse(readFileSync(file, "utf8")) as Row[];

function orNull(path: () => string): string | null {
  try {
    return path();
  } catch {
    return null;
  }
}

test("paths are made absolute as BuildKit makes them", () => {
  assert.ok(rows.length > 150);
  for (const row of rows) {
    const [os, parent, path] = row;
    assert.deepEqual(
      [
        os,
        parent,
        path,
        orNull(() => absolutePath(parent, path, os, false)),
        orNull(() => absolutePath(parent, path, os, true)),
        orNull(() => workdirPath(parent, path, os)),
        isAbsolute(path, os),
      ],
      row,
    );
  }
});

import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makeDeepTree } from "../../../testing/trees.ts";
import { temporaryDirectory } from "../../io/index.ts";
import { removeTree } from "./index.ts";

test("a tree deeper than PATH_MAX is removed", async () => {
  await using directory = await temporaryDirectory();
  const root = join(directory.path, "root");
  mkdirSync(root);
  makeDeepTree(root);
  await removeTree(root);
  assert.equal(existsSync(root), false);
});

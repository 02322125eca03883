import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../io/index.ts";
import { Workspace, removeAbandonedSteps } from "./workspace.ts";

test("steps of ended processes are removed, those of living ones stay", async () => {
  await using directory = await temporaryDirectory();
  await using workspace = await Workspace.open(directory.path);
  mkdirSync(join(directory.path, "1-000000000000", "1"), { recursive: true });
  const removed: string[] = [];
  await removeAbandonedSteps(directory.path, async (path) => void removed.push(path));
  assert.deepEqual(removed, [join(directory.path, "1-000000000000")]);
  assert.deepEqual(
    readdirSync(directory.path).sort(),
    [workspace.path.slice(directory.path.length + 1), "lock"].sort(),
  );
});

test("a process may remove its own steps while another one looks for abandoned ones", async () => {
  await using directory = await temporaryDirectory();
  const names = ["1-000000000000", "2-000000000000"];
  for (const name of names) mkdirSync(join(directory.path, name, "1"), { recursive: true });
  const removed: string[] = [];
  await removeAbandonedSteps(directory.path, async (path) => {
    removed.push(path);
    for (const name of names) rmSync(join(directory.path, name), { recursive: true, force: true });
  });
  assert.equal(removed.length, 1, "the other one had gone by then");
  assert.deepEqual(readdirSync(directory.path), ["lock"]);
});

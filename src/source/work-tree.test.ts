import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, realpath, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../io/index.ts";
import { workTreeOf } from "./work-tree.ts";

test("a directory in a work tree has a commit and a remote", async () => {
  await using directory = await temporaryDirectory();
  const root = await realpath(directory.path);
  const below = join(root, "a/b");
  await mkdir(below, { recursive: true });
  const git = (...args: readonly string[]): string =>
    execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b", ...args], { cwd: root, encoding: "utf8" }).trim();
  assert.equal(await workTreeOf(below), undefined, "no work tree");
  git("init", "--quiet", "--initial-branch=main");
  assert.equal(await workTreeOf(below), undefined, "no commit");
  await writeFile(join(below, "f"), "f");
  git("add", ".");
  git("commit", "--quiet", "--message=first");
  const revision = git("rev-parse", "HEAD");
  assert.deepEqual(await workTreeOf(below, { changes: true }), { root, revision, remote: undefined });
  for (const name of ["upstream", "origin", "fork"]) git("remote", "add", name, `https://example.com/${name}.git`);
  assert.equal((await workTreeOf(below))?.remote, "https://example.com/origin.git");
  git("config", "branch.main.remote", "fork");
  assert.equal((await workTreeOf(below))?.remote, "https://example.com/fork.git");
  git("checkout", "--quiet", "--detach");
  assert.equal((await workTreeOf(below))?.remote, "https://example.com/origin.git");
  // Nobody asked for the monitor that the repository names.
  git("config", "core.fsmonitor", `touch ${join(root, "ran")}; false`);
  await writeFile(join(below, "f"), "changed");
  assert.equal((await workTreeOf(below, { changes: true }))?.revision, `${revision}-dirty`);
  assert.deepEqual(execFileSync("ls", { cwd: root, encoding: "utf8" }), "a\n");
});

import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../../../io/index.ts";
import { dropIgnored, readDockerfile } from "./dockerfile-choice.ts";
import { HashedTree } from "./hashed-tree.ts";

test("dockerfile stands in for the default Dockerfile at the root", async () => {
  await using folder = await temporaryDirectory();
  writeFileSync(join(folder.path, "dockerfile"), "FROM a\n");
  using tree = new HashedTree(folder.path);
  assert.equal(readDockerfile(tree, "Dockerfile").name, "dockerfile");
  assert.throws(() => readDockerfile(tree, "./Dockerfile"), /Cannot locate specified Dockerfile: \.\/Dockerfile/);
});

test("an ignore file with a malformed pattern is ignored, as by the daemon", async () => {
  await using folder = await temporaryDirectory();
  const put = (ignore: string): void => {
    writeFileSync(join(folder.path, "Dockerfile"), "FROM a\n");
    writeFileSync(join(folder.path, ".dockerignore"), ignore);
  };
  using tree = new HashedTree(folder.path);
  put("Dockerfile\n[a\n");
  dropIgnored(tree, "Dockerfile");
  assert.deepEqual(readdirSync(folder.path).toSorted(), [".dockerignore", "Dockerfile"]);
  put("Dockerfile\n");
  dropIgnored(tree, "Dockerfile");
  assert.deepEqual(readdirSync(folder.path), [".dockerignore"]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseIgnoreFile, ignoreFileCandidates } from "../index.ts";

test("a Dockerfile's own ignore file comes first", () => {
  assert.deepEqual(ignoreFileCandidates("docker/app.Dockerfile"), [
    "docker/app.Dockerfile.dockerignore",
    ".dockerignore",
  ]);
  assert.deepEqual(ignoreFileCandidates("Dockerfile"), ["Dockerfile.dockerignore", ".dockerignore"]);
  assert.equal(
    chooseIgnoreFile("a/D", (path) => path === ".dockerignore"),
    ".dockerignore",
  );
  assert.equal(
    chooseIgnoreFile("a/D", () => false),
    undefined,
  );
});

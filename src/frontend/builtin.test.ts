import assert from "node:assert/strict";
import { test } from "node:test";
import { isBuiltinFrontend } from "./index.ts";

test("the built-in front end is docker/dockerfile up to the version of its language", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  const builtin = [
    "dockerfile.v0",
    "docker/dockerfile",
    "docker/dockerfile:1",
    "docker/dockerfile:1.4",
    "docker/dockerfile:1.7.1-labs",
    "docker/dockerfile:1-labs",
    "docker/dockerfile:labs",
    "docker/dockerfile:1.26",
    "docker/dockerfile:1.0-experimental",
    "docker/dockerfile:1.4.0-rc2-labs",
    "docker/dockerfile:experimental",
    "docker.io/docker/dockerfile:1.2.1",
    "index.docker.io/docker/dockerfile:latest",
    "docker/dockerfile-upstream:1.6.0",
    `docker/dockerfile:1.9@${digest}`,
  ];
  for (const image of builtin) assert.ok(isBuiltinFrontend(image), image);
  const others = [
    "docker/dockerfile:1.27",
    "docker/dockerfile:2",
    "docker/dockerfile:master",
    "docker/dockerfile:1.27-rc1",
    "docker/dockerfile-upstream:latest",
    "docker/dockerfile-upstream",
    `docker/dockerfile@${digest}`,
    "dockerfile:1",
    "mirror.example/docker/dockerfile:1",
    "r2d4/mocker",
    "",
    "docker/dockerfile:1\nx",
  ];
  for (const image of others) assert.ok(!isBuiltinFrontend(image), image);
});

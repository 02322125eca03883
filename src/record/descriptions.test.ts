import assert from "node:assert/strict";
import { test } from "node:test";
import { execDescription, importedDescription, stepOfLayers, pulledDescription, stepOf } from "./descriptions.ts";

test("descriptions tell of the step as it stands in a Dockerfile", () => {
  for (const [description, step] of [
    ["mount / from exec /bin/sh -c npm ci", "RUN npm ci"],
    ["mount / from exec /bin/sh -c set -e\nmake", "RUN set -e\nmake"],
    ["mount / from exec /bin/true x", "RUN /bin/true x"],
    ["copy /app /src/", "COPY /app /src/"],
    ["mkdir /src", "mkdir /src"],
    ["RUN npm ci", "RUN npm ci"],
    [execDescription("/", "/bin/sh -c npm ci"), "RUN npm ci"],
    [importedDescription("sha256:0"), undefined],
    [pulledDescription("docker.io/library/alpine"), undefined],
    ["", undefined],
  ] as const)
    assert.equal(stepOf(description), step, description);
  assert.equal(stepOfLayers([{ description: "copy a b" }, { description: "copy c d" }]), "COPY c d");
  assert.equal(stepOfLayers([]), undefined);
});

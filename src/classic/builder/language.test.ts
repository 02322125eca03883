import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseDockerfile } from "../../dockerfile/index.ts";
import { buildkitFeature, firstFeature } from "./language.ts";

/** Returns the feature of a Dockerfile, built without a target. */
function featureOf(text: string, buildArgs: ReadonlyMap<string, string | null> = new Map()): string | undefined {
  const file = parseDockerfile(text);
  const stages = file.stages.map((stage) => ({ stage, commands: stage.instructions }));
  return buildkitFeature({ file, stages }, buildArgs);
}

const IN_STAGE: readonly (readonly [instruction: string, feature: string | undefined])[] = [
  ["RUN echo --mount", undefined],
  ["RUN --mount=type=cache,target=/c true", "RUN --mount"],
  ["RUN --network=none true", "RUN --network"],
  ["RUN <<E\ntrue\nE", "a here-document"],
  ["RUN echo '<<E'", undefined],
  ["COPY a b", undefined],
  ["COPY --from=x --chown=1 a b", undefined],
  ["COPY --chmod=600 a b", "COPY --chmod"],
  ["COPY --link a b", "COPY --link"],
  ["COPY --parents a/b c/", "COPY --parents"],
  ["COPY --exclude=*.md . /", "COPY --exclude"],
  ["COPY <<E /f\nx\nE", "a here-document"],
  ["ADD https://varve.test/a.tar /", undefined],
  ["ADD --checksum=sha256:ab https://varve.test/a.tar /", "ADD --checksum"],
  ["ADD --unpack https://varve.test/a.tar /", "ADD --unpack"],
  ["ADD --keep-git-dir=false https://varve.test/a.git /", "ADD --keep-git-dir"],
  ["ADD https://varve.test/a.git#main /", "ADD of a git repository"],
  ["ADD git@varve.test:a /", "ADD of a git repository"],
  ["ARG TARGETARCH", "ARG TARGETARCH"],
  ["ARG BUILDPLATFORM", "ARG BUILDPLATFORM"],
  ["ARG TARGETARCH=amd64", undefined],
  ["ARG OTHER", undefined],
  ["ONBUILD RUN --mount=type=cache,target=/c true", undefined],
  ["HEALTHCHECK --interval=1s CMD true", undefined],
];

describe("the builder that a Dockerfile needs", () => {
  test("instructions", () => {
    for (const [instruction, feature] of IN_STAGE)
      assert.equal(featureOf(`FROM a\n${instruction}\n`), feature, instruction);
  });

  test("what stands before the stages and in FROM", () => {
    assert.equal(featureOf("# syntax=docker/dockerfile:1\nFROM a\n"), "# syntax");
    assert.equal(featureOf("# not syntax=x\nFROM a\n"), undefined);
    assert.equal(featureOf("FROM --platform=$BUILDPLATFORM a\n"), "ARG BUILDPLATFORM");
    assert.equal(featureOf("FROM a:${TARGETARCH}\n"), "ARG TARGETARCH");
    assert.equal(featureOf("FROM --platform=linux/arm64 a\n"), undefined);
    assert.equal(featureOf("ARG BUILDPLATFORM=linux/amd64\nFROM --platform=$BUILDPLATFORM a\n"), undefined);
  });

  test("arguments that the request gives are not BuildKit's", () => {
    const text = "FROM --platform=$BUILDPLATFORM a\nARG TARGETARCH\n";
    const given = new Map([["BUILDPLATFORM", "linux/amd64"]]);
    assert.equal(featureOf(text, given), "ARG TARGETARCH");
    assert.equal(featureOf(text, given.set("TARGETARCH", "amd64")), undefined);
    assert.equal(featureOf(text, new Map([["BUILDPLATFORM", null]])), "ARG BUILDPLATFORM");
  });

  test("only the stages to build count", () => {
    const file = parseDockerfile("FROM a AS one\nRUN true\nFROM a\nRUN --mount=type=ssh true\n");
    const [first] = file.stages;
    const stages = first === undefined ? [] : [{ stage: first, commands: first.instructions }];
    assert.equal(buildkitFeature({ file, stages }, new Map()), undefined);
    assert.equal(firstFeature(file.stages[1]?.instructions ?? [], new Set()), "RUN --mount");
  });
});

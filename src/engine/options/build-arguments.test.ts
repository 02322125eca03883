import assert from "node:assert/strict";
import { test } from "node:test";
import { isVarveError } from "../../core/index.ts";
import { parseDockerfile } from "../../dockerfile/index.ts";
import { type ArgumentOptions, BUILDKIT_ARGUMENTS, argumentOptions, unknownArguments } from "./build-arguments.ts";
import type { BuildSettings } from "./options.ts";

function read(buildArgs: Record<string, string>, more: Partial<BuildSettings> = {}): ArgumentOptions {
  return argumentOptions({ buildArgs, ...more });
}

const NOTHING: ArgumentOptions = { keepGitDir: false, inlineCache: false, multiPlatform: false, commitTimes: false };
const AMD64 = { os: "linux", architecture: "amd64" };
const ARM64 = { os: "linux", architecture: "arm64" };

test("the effects of BuildKit's build arguments", () => {
  const effects: Record<keyof typeof BUILDKIT_ARGUMENTS, [value: string, effect: Partial<ArgumentOptions>]> = {
    BUILDKIT_ATTEST_PROVENANCE: ["mode=min", { attests: true }],
    BUILDKIT_ATTEST_SBOM: ["", { attests: true }],
    BUILDKIT_BUILD_NAME: ["nightly", {}],
    BUILDKIT_CACHE_MOUNT_NS: ["mine", { cacheNamespace: "mine" }],
    BUILDKIT_CONTEXT_KEEP_GIT_DIR: ["1", { keepGitDir: true }],
    BUILDKIT_DISABLE_FILEOP: ["false", {}],
    BUILDKIT_DOCKERFILE_CHECK: [
      "skip=all;error=true",
      { lint: { skip: "all", experimental: new Set<string>(), error: true } },
    ],
    BUILDKIT_INLINE_CACHE: ["true", { inlineCache: true }],
    BUILDKIT_MULTI_PLATFORM: ["1", { multiPlatform: true }],
    BUILDKIT_SANDBOX_HOSTNAME: ["box", { hostname: "box" }],
    BUILDKIT_SBOM_SCAN_CONTEXT: ["true", {}],
    BUILDKIT_SBOM_SCAN_STAGE: ["true", {}],
    BUILDKIT_SYNTAX: ["docker/dockerfile:1 words", { syntax: "docker/dockerfile:1 words" }],
  };
  assert.deepEqual(Object.keys(effects).toSorted(), Object.keys(BUILDKIT_ARGUMENTS).toSorted());
  for (const [name, [value, effect]] of Object.entries(effects)) {
    assert.deepEqual(read({ [name]: value }), { ...NOTHING, ...effect }, name);
    const hasEffect = Object.keys(effect).length > 0;
    assert.equal(BUILDKIT_ARGUMENTS[name] === "option", hasEffect, name);
  }
  assert.deepEqual(read({ SOURCE_DATE_EPOCH: "0" }), { ...NOTHING, commitTimes: true });
  assert.deepEqual(read({}, { sourceDateEpoch: 0 }), { ...NOTHING, commitTimes: true });
});

test("values without effect are ignored, as in BuildKit", () => {
  for (const name of ["BUILDKIT_CONTEXT_KEEP_GIT_DIR", "BUILDKIT_INLINE_CACHE", "BUILDKIT_DISABLE_FILEOP"])
    for (const value of ["", "yes", "0"]) assert.deepEqual(read({ [name]: value }), NOTHING, `${name}=${value}`);
  for (const name of ["BUILDKIT_CACHE_MOUNT_NS", "BUILDKIT_SANDBOX_HOSTNAME", "BUILDKIT_MULTI_PLATFORM"])
    assert.deepEqual(read({ [name]: "" }), NOTHING, name);
  assert.equal(read({}, { platforms: [AMD64, ARM64] }).multiPlatform, true);
});

test("values that BuildKit rejects are rejected", () => {
  const cases: [Record<string, string>, RegExp][] = [
    [{ BUILDKIT_DISABLE_FILEOP: "1" }, /support for "BUILDKIT_DISABLE_FILEOP" build-arg was removed/],
    [{ BUILDKIT_MULTI_PLATFORM: "maybe" }, /invalid boolean value for multi-platform: maybe/],
    [{ BUILDKIT_MULTI_PLATFORM: "0" }, /conflicting config: returning multiple target platforms is not allowed/],
    [{ BUILDKIT_DOCKERFILE_CHECK: "all" }, /failed to parse BUILDKIT_DOCKERFILE_CHECK: invalid check option "all"/],
  ];
  for (const [buildArgs, message] of cases)
    assert.throws(
      () => read(buildArgs, { platforms: [AMD64, ARM64] }),
      (error) => isVarveError(error, "invalid-argument") && message.test(error.message),
    );
});

test("an unknown BUILDKIT_ argument causes a warning, unless the Dockerfile declares it", () => {
  const file = parseDockerfile("ARG BUILDKIT_GLOBAL\nFROM scratch\nARG A BUILDKIT_OWN");
  const buildArgs = {
    BUILDKIT_INLINE_CACH: "1",
    BUILDKIT_NEW: "1",
    BUILDKIT_GLOBAL: "1",
    BUILDKIT_OWN: "1",
    BUILDKIT_SYNTAX: "x",
    OTHER: "1",
  };
  assert.deepEqual(unknownArguments({ buildArgs }, file), [
    "Build argument BUILDKIT_INLINE_CACH is unknown and has no effect (did you mean BUILDKIT_INLINE_CACHE?)",
    "Build argument BUILDKIT_NEW is unknown and has no effect",
  ]);
});

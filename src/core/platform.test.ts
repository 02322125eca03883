import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isVarveError } from "./error.ts";
import { platformFault } from "./platform-specifier.ts";
import {
  choosePlatform,
  formatPlatform,
  formatWholePlatform,
  hostPlatform,
  normalizePlatform,
  parseGivenPlatform,
  parsePlatform,
  type PlatformJson,
  platformFromJson,
  platformToJson,
} from "./platform.ts";

/** What containerd's `platforms` package makes of a text. */
interface Vector {
  readonly text: string;
  readonly error?: string;
  readonly parsed?: PlatformJson;
  readonly normalized?: PlatformJson;
  readonly format?: string;
  readonly formatAll?: string;
}

const vectors = JSON.parse(
  readFileSync(new URL("../../testing/fixtures/platforms/vectors.json", import.meta.url), "utf8"),
) as Vector[];

function read(text: string): Vector {
  try {
    const given = parseGivenPlatform(text);
    return {
      text,
      parsed: platformToJson(given),
      normalized: platformToJson(normalizePlatform(given)),
      format: formatPlatform(given),
      formatAll: formatWholePlatform(given),
    };
  } catch (error) {
    return { text, error: platformFault(error) };
  }
}

test("platforms are read, normalised and written as containerd does", () => {
  assert.ok(vectors.length > 60);
  for (const vector of vectors) assert.deepEqual(read(vector.text), vector);
});

const FORMS: readonly [string, string][] = [
  ["linux/amd64", "linux/amd64"],
  ["linux/x86_64", "linux/amd64"],
  ["LINUX/AMD64", "linux/amd64"],
  ["linux/amd64/v1", "linux/amd64"],
  ["linux/amd64/v3", "linux/amd64/v3"],
  ["linux/arm64/v8", "linux/arm64"],
  ["linux/aarch64", "linux/arm64"],
  ["linux/arm64/v9.0", "linux/arm64/v9"],
  ["linux/arm", "linux/arm/v7"],
  ["linux/armhf", "linux/arm/v7"],
  ["linux/armel", "linux/arm/v6"],
  ["linux/arm/5", "linux/arm/v5"],
  ["arm64", "linux/arm64"],
  ["i386", "linux/386"],
  ["local", formatPlatform(hostPlatform())],
  ["Linux", formatPlatform(hostPlatform())],
  ["macos", `darwin/${hostPlatform().architecture}`],
  ["linux(1.2)/amd64", "linux/amd64"],
  ["a/b", "a/b"],
];

for (const [text, formatted] of FORMS)
  test(`${text} is ${formatted}`, () => assert.equal(formatPlatform(parsePlatform(text)), formatted));

/** What containerd's `platforms.Parse` says, as a daemon passes it on. */
const OS = String.raw`OSAndVersion specifier component must match "^([A-Za-z0-9_-]+)(?:\\(([A-Za-z0-9_.%-]*)((?:\\+[A-Za-z0-9_.%-]+)*)\\))?$": invalid argument`;
const PART = `platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument`;
const REFUSED: readonly [string, string][] = [
  ["foobar", '"foobar": unknown operating system or architecture: invalid argument'],
  ["a/b/c/d", '"a/b/c/d": cannot parse platform specifier: invalid argument'],
  ["a/b/c/d e", `"d e" is an invalid component of "a/b/c/d e": ${PART}`],
  ["linux/*", '"linux/*": wildcards not yet supported: invalid argument'],
  ["linux/", `"" is an invalid component of "linux/": ${PART}`],
  ["", `"" is an invalid OS component of "": ${OS}`],
  ["/amd64", `"" is an invalid OS component of "/amd64": ${OS}`],
  ["li nux/amd64", `"li nux" is an invalid OS component of "li nux/amd64": ${OS}`],
  ["windows(10/amd64", `"windows(10" is an invalid OS component of "windows(10/amd64": ${OS}`],
];
for (const [text, fault] of REFUSED)
  test(`${JSON.stringify(text)} is refused in containerd's words`, () => {
    assert.throws(
      () => parsePlatform(text),
      (error) => isVarveError(error, "invalid-argument") && platformFault(error) === fault,
    );
  });

test("an operating system has its version and features", () => {
  assert.deepEqual(parsePlatform("windows(10.0.1%20x+win32k+y)/amd64"), {
    os: "windows",
    architecture: "amd64",
    osVersion: "10.0.1 x",
    osFeatures: ["win32k", "y"],
  });
});

test("the JSON form comes back as it was", () => {
  const platform = normalizePlatform({
    os: "windows",
    architecture: "amd64",
    osVersion: "10.0.1",
    osFeatures: ["win32k"],
  });
  assert.deepEqual(platformFromJson(platformToJson(platform)), platform);
});

const choose = (wanted: string, ...offered: string[]): string | undefined =>
  choosePlatform(parsePlatform(wanted), offered, parsePlatform);

test("the exact platform wins, whatever the order", () => {
  assert.equal(choose("linux/arm64", "linux/arm/v7", "linux/amd64", "linux/arm64"), "linux/arm64");
  assert.equal(choose("linux/arm/v7", "linux/arm/v6", "linux/arm/v7"), "linux/arm/v7");
});

test("of several OS versions the wanted one wins, else the first", () => {
  const offered = ["windows(1.2.3)/amd64", "windows(1.1.0)/amd64"];
  const chosen = (wanted: string): string | undefined =>
    choosePlatform(parseGivenPlatform(wanted), offered, parseGivenPlatform);
  assert.equal(chosen("windows(1.1.0)/amd64"), offered[1]);
  assert.equal(chosen("windows(1.0.0)/amd64"), offered[0]);
  assert.equal(chosen("windows/amd64"), offered[0]);
});

test("an older variant will do, a newer or another architecture will not", () => {
  assert.equal(choose("linux/arm/v7", "linux/arm/v6"), "linux/arm/v6");
  assert.equal(choose("linux/arm/v6", "linux/arm/v7"), undefined);
  assert.equal(choose("linux/amd64/v3", "linux/amd64"), "linux/amd64");
  assert.equal(choose("linux/amd64", "linux/amd64/v3"), undefined);
  assert.equal(choose("linux/amd64", "linux/arm64", "windows/amd64"), undefined);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  choosePlatform,
  formatPlatform,
  normalizePlatform,
  parsePlatform,
  platformFromJson,
  platformToJson,
} from "./platform.ts";

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
];

for (const [text, formatted] of FORMS)
  test(`${text} is ${formatted}`, () => assert.equal(formatPlatform(parsePlatform(text)), formatted));

for (const text of ["", "a/b/c/d", "linux/", "/amd64", "li nux/amd64"]) {
  test(`${JSON.stringify(text)} is refused`, () => assert.throws(() => parsePlatform(text)));
}

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

test("an older variant will do, a newer or another architecture will not", () => {
  assert.equal(choose("linux/arm/v7", "linux/arm/v6"), "linux/arm/v6");
  assert.equal(choose("linux/arm/v6", "linux/arm/v7"), undefined);
  assert.equal(choose("linux/amd64/v3", "linux/amd64"), "linux/amd64");
  assert.equal(choose("linux/amd64", "linux/amd64/v3"), undefined);
  assert.equal(choose("linux/amd64", "linux/arm64", "windows/amd64"), undefined);
});

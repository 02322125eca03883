import { matchesPlatform } from "./platform-match.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePlatform } from "../core/index.ts";
import type { ImageConfig } from "./index.ts";

function image(text: string): ImageConfig {
  const [os = "", architecture = "", variant] = text.split("/");
  return { os, architecture, ...(variant && { variant }), rootfs: { type: "layers", diff_ids: [] }, history: [] };
}

test("a platform takes itself and what it can run, and not the other way round", () => {
  const pairs: readonly [string, string, boolean][] = [
    ["linux/amd64", "linux/amd64", true],
    ["linux/amd64", "linux/386", true],
    ["linux/386", "linux/amd64", false],
    ["linux/amd64/v3", "linux/amd64/v2", true],
    ["linux/amd64/v3", "linux/amd64", true],
    ["linux/amd64", "linux/amd64/v2", false],
    ["linux/arm/v7", "linux/arm/v6", true],
    ["linux/arm/v6", "linux/arm/v7", false],
    ["linux/arm/v7", "linux/arm", true],
    ["linux/arm64", "linux/arm64/v8", true],
    ["linux/arm64", "linux/arm/v7", true],
    ["linux/arm/v7", "linux/arm64", false],
    ["linux/arm64/v8.2", "linux/arm64/v8.1", true],
    ["linux/arm64/v8.1", "linux/arm64/v8.2", false],
    ["linux/arm64/v9.1", "linux/arm64/v8.6", true],
    ["linux/arm64/v9.1", "linux/arm64/v8.7", false],
    ["linux/arm64/v9", "linux/arm64", true],
    ["linux/amd64", "linux/arm64", false],
    ["linux/amd64", "windows/amd64", false],
    ["linux/amd64", "", false],
  ];
  for (const [wanted, has, expected] of pairs)
    assert.equal(matchesPlatform(parsePlatform(wanted), image(has)), expected, `${wanted} and ${has}`);
});

test("of a Windows version major and minor count", () => {
  const wanted = { os: "windows", architecture: "amd64", osVersion: "10.0.17763.1" };
  const of = (version: string): ImageConfig => ({ ...image("windows/amd64"), "os.version": version });
  assert.ok(matchesPlatform(wanted, of("10.0.20348.5")));
  assert.equal(matchesPlatform(wanted, of("6.3.1.1")), false);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { foreignFrontend } from "./choice.ts";

type Settings = Parameters<typeof foreignFrontend>[1];

function chosen(text: string, settings: Settings = {}): string | undefined {
  return foreignFrontend({ text: Buffer.from(text), name: "Dockerfile" }, settings)?.cmdline;
}

test("a front end runs as an image unless the built-in one has its language", () => {
  const known = "# syntax=docker/dockerfile:1\nFROM scratch\n";
  const other = "# syntax=example/front:2 fast\nanything\n";
  assert.equal(chosen("FROM scratch\n"), undefined);
  assert.equal(chosen(known), undefined);
  assert.equal(chosen(other), "example/front:2 fast");
  assert.equal(chosen(known, { frontendImages: "always" }), "docker/dockerfile:1");
  assert.equal(chosen(other, { frontendImages: "never" }), undefined);
});

test("a build argument replaces the directive", () => {
  const buildArgs = { BUILDKIT_SYNTAX: "example/other:1 words" };
  assert.equal(chosen("# syntax=example/front\n", { buildArgs }), "example/other:1 words");
  assert.equal(
    chosen("# syntax=example/front\n", { buildArgs: { BUILDKIT_SYNTAX: "docker/dockerfile:1" } }),
    undefined,
  );
  assert.equal(chosen("# syntax=example/front\n", { buildArgs: { BUILDKIT_SYNTAX: "" } }), "example/front");
});

test("a named context says what an image is", () => {
  const known = "# syntax=docker/dockerfile:1\nFROM scratch\n";
  const context = "docker-image://example/mine";
  assert.equal(chosen(known, { buildContexts: { "docker/dockerfile:1": context } }), "docker/dockerfile:1");
  assert.equal(
    chosen(known, { buildContexts: { "docker/dockerfile:1::linux/amd64": context } }),
    "docker/dockerfile:1",
  );
  assert.equal(chosen(known, { buildContexts: { alpine: context } }), undefined);
});

test("the place of a directive is known", () => {
  const { place } = foreignFrontend({ text: Buffer.from("#!/x\n# syntax=a/b\n"), name: "Own" }, {}) ?? {};
  assert.deepEqual([place?.file.name, place?.range.start.line], ["Own", 2]);
});

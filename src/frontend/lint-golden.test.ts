import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FakeHost, AMD64 } from "../../testing/dockerfile-host.ts";
import { LINT_RULES, type LintRuleName, parseDockerfile } from "../dockerfile/index.ts";
import { checkDockerfile } from "./index.ts";

/** What BuildKit's `DockerfileLint` answered, with these image configs as the registry. */
interface Golden {
  /** By name: description and URL. */
  readonly rules: Readonly<Record<string, readonly [string, string]>>;
  readonly images: Readonly<Record<string, object>>;
  readonly cases: readonly {
    readonly text: string;
    readonly target?: string;
    readonly buildArgs?: Readonly<Record<string, string>>;
    /** Rule, first line, last line, message; in BuildKit's order. */
    readonly warnings: readonly (readonly [string, number, number, string])[];
  }[];
}

const golden = JSON.parse(
  readFileSync(new URL("../../testing/fixtures/lint/warnings.json", import.meta.url), "utf8"),
) as Golden;
const images = Object.entries(golden.images).map(([name, config]) => [name, Buffer.from(JSON.stringify(config))]);

test("warnings, their places and their order are BuildKit's", async () => {
  assert.ok(golden.cases.length >= 40);
  const host = new FakeHost(Object.fromEntries(images) as Record<string, Uint8Array>);
  for (const { text, target, buildArgs = {}, warnings } of golden.cases) {
    const options = {
      buildPlatform: AMD64,
      buildArgs: new Map(Object.entries(buildArgs)),
      ...(target === undefined ? {} : { target }),
    };
    const found = await checkDockerfile(parseDockerfile(text), options, host);
    const shown = found.warnings.map(({ rule, range, message }) => [rule, range.start.line, range.end.line, message]);
    assert.deepEqual(shown, warnings, text);
    assert.equal(found.error, undefined, text);
  }
});

test("rules are called, described and explained as BuildKit's", () => {
  const known = Object.entries(LINT_RULES).map(([name, { description, url }]) => [name, [description, url]]);
  // The first needs a client with an ignore file; the second is not one of BuildKit's.
  const others = new Set<unknown>(["CopyIgnoredFile", "InvalidVarveDirective"]);
  const rest = known.filter(([name]) => !others.has(name));
  assert.deepEqual(Object.fromEntries(rest), golden.rules);
  const used = new Set(golden.cases.flatMap(({ warnings }) => warnings.map(([rule]) => rule as LintRuleName)));
  assert.equal(used.size, rest.length);
});

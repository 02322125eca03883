import assert from "node:assert/strict";
import { test } from "node:test";
import { isVarveError } from "../../core/index.ts";
import { parseDockerfile, parseLintOptions } from "../index.ts";

function rules(text: string): string[] {
  return parseDockerfile(text).linter.warnings.map(({ rule, range }) => `${rule}:${range.start.line}`);
}

test("the rules that need only the text", () => {
  assert.deepEqual(rules("FROM a AS Base"), ["StageNameCasing:1"]);
  assert.deepEqual(rules("FROM a as base"), ["FromAsCasing:1"]);
  assert.deepEqual(rules("FROM a AS b\nFROM a AS b"), ["DuplicateStageName:2"]);
  assert.deepEqual(rules("FROM a AS scratch"), ["ReservedStageName:1"]);
  assert.deepEqual(rules("FROM a\nMAINTAINER me"), ["MaintainerDeprecated:2"]);
  assert.deepEqual(rules("FROM a\nRUN b \\\n\n c"), ["NoEmptyContinuation:4"]);
  assert.deepEqual(rules("FROM a\nRUN b\nrun c\nCopy d e"), [
    "ConsistentInstructionCasing:3",
    "ConsistentInstructionCasing:4",
  ]);
});

test("messages and pages are BuildKit's", () => {
  const [warning] = parseDockerfile("FROM a AS Base").linter.warnings;
  assert.equal(warning?.message, "Stage name 'Base' should be lowercase");
  assert.equal(warning?.url, "https://docs.docker.com/go/dockerfile/rule/stage-name-casing/");
});

test("rules can be left out, for the file or for one instruction", () => {
  assert.deepEqual(rules("# check=skip=StageNameCasing\nFROM a AS Base"), []);
  assert.deepEqual(rules("# check=skip=all\nFROM a as Base"), []);
  assert.deepEqual(rules("FROM a\n# check=skip=MaintainerDeprecated\nMAINTAINER x\nMAINTAINER y"), [
    "MaintainerDeprecated:4",
  ]);
});

test("experimental rules run when asked for", () => {
  const text = "# about it\nARG x\nFROM a";
  assert.deepEqual(rules(text), []);
  assert.deepEqual(rules(`# check=experimental=all\n${text}`), ["InvalidDefinitionDescription:3"]);
  assert.deepEqual(rules("# check=experimental=all\n# x is it\nARG x\nFROM a"), []);
});

test("warnings can be errors", () => {
  const { linter } = parseDockerfile("# check=error=true\nFROM a AS B");
  assert.throws(() => linter.throwIfErrors(), /lint violation found for rules: StageNameCasing/);
  parseDockerfile("FROM a AS B").linter.throwIfErrors();
});

test("bad options are refused", () => {
  for (const bad of ["skip", "foo=bar", "error=maybe"])
    assert.throws(
      () => parseLintOptions(bad),
      (error) => isVarveError(error, "invalid-build"),
      bad,
    );
});

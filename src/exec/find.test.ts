import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isVarveError } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { doctorFacts } from "./doctor.ts";
import { findProgram, findRuntime } from "./find.ts";
import type { RuntimeName } from "./types.ts";

test("programs are found by PATH, absolute and executable ones only", async () => {
  await using directory = await temporaryDirectory();
  const program = join(directory.path, "thing-of-ours");
  mkdirSync(join(directory.path, "sub"));
  writeFileSync(program, "", { mode: 0o644 });
  assert.equal(await findProgram("thing-of-ours", directory.path), undefined);
  writeFileSync(join(directory.path, "sub/thing-of-ours"), "", { mode: 0o755 });
  assert.equal(
    await findProgram("thing-of-ours", `.:${directory.path}:${directory.path}/sub`),
    join(directory.path, "sub/thing-of-ours"),
  );
  assert.equal(await findProgram("sh", ""), await findProgram("sh", "/nowhere"));
});

test("without a runtime the error says what to install", async () => {
  await assert.rejects(findRuntime(["no-such-runtime" as RuntimeName]), (error) => {
    return isVarveError(error, "unsupported") && error.hint === "apt-get install no-such-runtime";
  });
});

test("the facts about this machine are of one piece", async () => {
  const facts = await doctorFacts();
  assert.ok(["none", "v1", "v2", "hybrid"].includes(facts.cgroups));
  assert.equal(facts.controllers.length > 0, facts.cgroups !== "none");
  for (const { name, path, version } of facts.runtimes) assert.ok(path.endsWith(name) && /^\d/.test(version));
});

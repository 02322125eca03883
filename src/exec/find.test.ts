import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isVarveError } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { findProgram } from "../linux/index.ts";
import { doctorFacts } from "./doctor.ts";
import { findRuntime, runtimeAt } from "./find.ts";
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

test("a runtime is known by what it says of itself", async () => {
  await using directory = await temporaryDirectory();
  const program = (text: string): string => {
    const path = join(directory.path, "runtime");
    writeFileSync(path, `#!/bin/sh\necho '${text}'\n`, { mode: 0o755 });
    return path;
  };
  const path = program("runc version 1.2.3");
  assert.deepEqual(await runtimeAt(path), { name: "runc", path, version: "1.2.3" });
  assert.equal((await runtimeAt(program("crun version 1.8"))).name, "crun");
  await assert.rejects(runtimeAt(program("youki version 1")), { code: "unsupported" });
  await assert.rejects(runtimeAt("no-such-runtime"), { code: "unsupported" });
});

test("the facts about this machine are of one piece", async () => {
  const facts = await doctorFacts();
  assert.ok(["none", "v1", "v2", "hybrid"].includes(facts.cgroups));
  assert.equal(facts.controllers.length > 0, facts.cgroups !== "none");
  for (const { name, path, version } of facts.runtimes) assert.ok(path.endsWith(name) && /^\d/.test(version));
});

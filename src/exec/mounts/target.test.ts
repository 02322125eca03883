import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../../core/index.ts";
import { temporaryDirectory } from "../../io/index.ts";
import { Root } from "../../linux/index.ts";
import { isWithin, resolveTarget, type Target } from "./target.ts";

const nothing = (_path: string): boolean => false;

test("links are followed inside the root, as the kernel would", async () => {
  await using directory = await temporaryDirectory();
  const at = (name: string): string => join(directory.path, name);
  mkdirSync(at("var/run"), { recursive: true });
  symlinkSync("/var/run", at("run"));
  symlinkSync("../../../../../../var", at("up"));
  symlinkSync("gone/../var", at("through"));
  symlinkSync("../run/there", at("var/dangling"));
  writeFileSync(at("file"), "");
  using root = Root.open(directory.path);
  const found = (target: string, covered = nothing): Target => resolveTarget(root, target, covered);
  assert.deepEqual(found("/"), { state: "present", path: "/", directory: true });
  assert.deepEqual(found("run/"), { state: "present", path: "/var/run", directory: true });
  assert.deepEqual(found("/up/./run/../run"), { state: "present", path: "/var/run", directory: true });
  assert.deepEqual(found("../../file"), { state: "present", path: "/file", directory: false });
  assert.deepEqual(found("/run/a/b"), { state: "missing", path: "/var/run/a/b", missing: "/var/run/a" });
  assert.deepEqual(found("/var/dangling"), { state: "missing", path: "/var/run/there", missing: "/var/run/there" });
  assert.deepEqual(found("/through/x"), { state: "missing", path: "/var/x", missing: "/var/x" });
  const mounted = (path: string): boolean => isWithin(path, "/var/run");
  assert.deepEqual(found("/run/a/b", mounted), { state: "covered", path: "/var/run/a/b" });
  assert.throws(
    () => found("/file/x"),
    (error) => isVarveError(error, "invalid-build"),
  );
});

test("whatever links there are, a target is inside or refused", async () => {
  await using directory = await temporaryDirectory();
  const part = fc.constantFrom("a", "b", "c", "..", ".", "d");
  const path = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("/"));
  let round = 0;
  fc.assert(
    fc.property(path, path, path, path, (one, two, three, target) => {
      round += 1;
      const place = join(directory.path, String(round));
      mkdirSync(join(place, "d"), { recursive: true });
      symlinkSync(one, join(place, "a"));
      symlinkSync(`/${two}`, join(place, "b"));
      symlinkSync(`../${three}`, join(place, "d/c"));
      using root = Root.open(place);
      try {
        const found = resolveTarget(root, target, nothing);
        assert.ok(found.path.startsWith("/") && !found.path.split("/").includes(".."), found.path);
        if (found.state === "missing") assert.ok(isWithin(found.path, found.missing));
      } catch (error) {
        assert.ok(isVarveError(error, "invalid-build"), String(error));
      }
    }),
    { numRuns: 60 },
  );
});

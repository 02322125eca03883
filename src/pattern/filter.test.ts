import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { PathFilter, type PathFilterOptions, type PathVerdict } from "./index.ts";

type Tree = { readonly [name: string]: Tree | null };

/** The paths a walk includes, and the directories it looked into. */
function walk(tree: Tree, options: PathFilterOptions): { files: string[]; visited: string[] } {
  const filter = new PathFilter(options);
  const files: string[] = [];
  const visited: string[] = [];
  const go = (node: Tree, prefix: string, parent?: PathVerdict): void => {
    for (const [name, child] of Object.entries(node)) {
      const verdict = filter.check(prefix + name, parent);
      if (verdict.included) files.push(prefix + name);
      if (child === null || !verdict.descend) continue;
      visited.push(prefix + name);
      go(child, `${prefix}${name}/`, verdict);
    }
  };
  go(tree, "");
  return { files, visited };
}

const TREE: Tree = { a: { b: { c: null, d: null }, e: null }, f: null, node_modules: { x: { y: null } } };

test("an excluded directory is skipped if nothing below it can be included", () => {
  const { files, visited } = walk(TREE, { exclude: ["node_modules"] });
  assert.deepEqual(files, ["a", "a/b", "a/b/c", "a/b/d", "a/e", "f"]);
  assert.deepEqual(visited, ["a", "a/b"]);
});

test("an exception opens just the directories that lead to it", () => {
  const { files, visited } = walk(TREE, { exclude: ["*", "!a/b/c"] });
  assert.deepEqual(files, ["a/b/c"]);
  assert.deepEqual(visited, ["a", "a/b"]);
});

test("an exception with a wildcard opens every directory", () => {
  const { files, visited } = walk(TREE, { exclude: ["*", "!**/y"] });
  assert.deepEqual(files, ["node_modules/x/y"]);
  assert.deepEqual(visited, ["a", "a/b", "node_modules", "node_modules/x"]);
});

test("an exception that ends in a wildcard is still a fixed path", () => {
  assert.deepEqual(walk(TREE, { exclude: ["*", "!a/b/*"] }), { files: ["a/b/c", "a/b/d"], visited: ["a", "a/b"] });
});

test("includes open only what leads to them, and all below them", () => {
  assert.deepEqual(walk(TREE, { include: ["a/b"] }), { files: ["a/b", "a/b/c", "a/b/d"], visited: ["a", "a/b"] });
  assert.deepEqual(walk(TREE, { include: ["a/b"], exclude: ["**/d"] }).files, ["a/b", "a/b/c"]);
  assert.equal(new PathFilter({ include: ["a/b"] }).includes("a/b/c"), true);
});

test("skipping directories never changes what is included", () => {
  const name = fc.constantFrom("a", "b", "c");
  const line = fc
    .tuple(
      fc.constantFrom("", "!"),
      fc.array(fc.constantFrom("a", "b", "c", "*", "**", "?"), { minLength: 1, maxLength: 3 }),
    )
    .map(([bang, parts]) => bang + parts.join("/"));
  const options = fc.record({ include: fc.array(line, { maxLength: 2 }), exclude: fc.array(line, { maxLength: 4 }) });
  fc.assert(
    fc.property(options, fc.array(name, { minLength: 1, maxLength: 4 }), (given, parts) => {
      const filter = new PathFilter(given);
      let verdict: PathVerdict | undefined;
      let reached = true;
      for (const [index] of parts.entries()) {
        reached &&= verdict?.descend ?? true;
        verdict = filter.check(parts.slice(0, index + 1).join("/"), verdict);
      }
      if (verdict?.included === true) assert.ok(reached);
    }),
  );
});

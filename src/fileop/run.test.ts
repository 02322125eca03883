import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isVarveError } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import type { FileAction, FileActionBody, FileOp } from "../llb/index.ts";
import { type FileOpHost, runFileOp } from "./index.ts";

interface Log {
  changed: number;
  committed: number;
  open: number;
}

/** Results are plain directories. */
function hostIn(directory: string, log: Log): FileOpHost<string> {
  return {
    change: (base) => {
      const path = join(directory, `tree-${(log.changed += 1)}`);
      if (base === undefined) mkdirSync(path);
      else cpSync(base, path, { recursive: true });
      log.open += 1;
      return Promise.resolve({
        path,
        commit: () => {
          log.committed += 1;
          return Promise.resolve(path);
        },
        [Symbol.asyncDispose]: () => {
          log.open -= 1;
          return Promise.resolve();
        },
      });
    },
    read: (result) => Promise.resolve({ tree: { path: result }, [Symbol.asyncDispose]: () => Promise.resolve() }),
  };
}

const mkfile = (path: string): FileActionBody => ({
  kind: "mkfile",
  path,
  mode: 0o644,
  data: Buffer.from(path),
  timestamp: -1n,
});
const copy = (src: string, dest: string): FileActionBody => ({
  kind: "copy",
  src,
  dest,
  mode: -1,
  modeStr: "",
  followSymlink: false,
  dirCopyContents: true,
  attemptUnpack: false,
  createDestPath: true,
  allowWildcard: false,
  allowEmptyWildcard: false,
  timestamp: -1n,
  includePatterns: [],
  excludePatterns: [],
  requiredPaths: [],
  alwaysReplaceExistingDestPaths: false,
});
const action = (indexes: readonly [number, number, number], body: FileActionBody): FileAction => ({
  input: indexes[0],
  secondaryInput: indexes[1],
  output: indexes[2],
  ...body,
});
const op = (...actions: FileAction[]): FileOp => ({ kind: "file", actions });

async function run(file: FileOp, inputs = 0): Promise<{ outputs: string[][]; log: Log }> {
  await using directory = await temporaryDirectory("varve-run-");
  const log = { changed: 0, committed: 0, open: 0 };
  const given = Array.from({ length: inputs }, (_, index) => {
    const path = join(directory.path, `input-${index}`);
    mkdirSync(join(path, `from-${index}`), { recursive: true });
    return path;
  });
  const results = await runFileOp(file, given, hostIn(directory.path, log));
  return { outputs: results.map((path) => readdirSync(path).sort()), log };
}

test("consecutive actions change one tree, which is committed once", async () => {
  const { outputs, log } = await run(
    op(action([0, -1, -1], mkfile("/a")), action([2, 1, -1], copy("/", "/")), action([3, -1, 0], mkfile("/b"))),
    2,
  );
  assert.deepEqual(outputs, [["a", "b", "from-0", "from-1"]]);
  assert.deepEqual(log, { changed: 1, committed: 1, open: 0 });
});

test("a tree that is used twice is committed, one that is only copied from is not", async () => {
  const twice = await run(
    op(action([-1, -1, -1], mkfile("/a")), action([0, -1, 0], mkfile("/b")), action([0, -1, 1], mkfile("/c"))),
  );
  assert.deepEqual(twice.outputs, [
    ["a", "b"],
    ["a", "c"],
  ]);
  assert.deepEqual(twice.log, { changed: 3, committed: 3, open: 0 });
  const copied = await run(op(action([-1, -1, -1], mkfile("/a")), action([-1, 0, 0], copy("/a", "/x/"))));
  assert.deepEqual(copied.outputs, [["x"]]);
  assert.deepEqual(copied.log, { changed: 2, committed: 1, open: 0 });
});

test("indexes that are out of range are errors", async () => {
  const cases = [
    op(),
    op(action([-1, -1, -1], mkfile("/a"))),
    op(action([0, -1, 0], mkfile("/a"))),
    op(action([-2, -1, 0], mkfile("/a"))),
    op(action([-1, 5, 0], mkfile("/a"))),
    op(action([-1, -1, 1], mkfile("/a"))),
    op(action([-1, -1, 0], mkfile("/a")), action([0, -1, 0], mkfile("/b"))),
  ];
  for (const bad of cases) await assert.rejects(run(bad), (error) => isVarveError(error, "invalid-argument"));
});

test("nothing is left open when an action fails", async () => {
  await using directory = await temporaryDirectory("varve-run-");
  const log = { changed: 0, committed: 0, open: 0 };
  const failing = op(action([-1, -1, -1], mkfile("/a")), action([0, -1, 0], mkfile("/no/b")));
  await assert.rejects(runFileOp(failing, [], hostIn(directory.path, log)), (error) =>
    isVarveError(error, "not-found"),
  );
  assert.deepEqual(log, { changed: 1, committed: 0, open: 0 });
});

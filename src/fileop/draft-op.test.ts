import assert from "node:assert/strict";
import { COPY } from "../../testing/copy-action.ts";
import { once } from "node:events";
import { lstatSync } from "node:fs";
import { type Server, createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../core/index.ts";
import { bytesOf, collect, digestBytes } from "../io/index.ts";
import { diffOverlay, readTar } from "../layer/index.ts";
import { byteStringOf, lutimes, pathOfByteString } from "../linux/index.ts";
import { type CopyAction, EMPTY, type FileOp, SKIP_OUTPUT } from "../llb/index.ts";
import { PathFilter } from "../pattern/index.ts";
import { needsRoot, OverlayStack } from "../../testing/overlays.ts";
import { generatedRuns } from "../../testing/sampled.ts";
import { perform, type TreeOp, treeOps, treePaths } from "../../testing/trees.ts";
import { draftFileOp, runFileOp, type SourceTree } from "./index.ts";

const what = { what: "the layer" };
const OLD = 1_500_000_000_123_456_789n;

/** One copy after the other onto the base, all of them from the source. */
function opOf(copies: readonly Partial<CopyAction>[], onBase: boolean): FileOp {
  const last = copies.length - 1;
  const actions = copies.map((copy, at) => ({
    ...COPY,
    ...copy,
    input: at > 0 ? 1 + at : onBase ? 0 : EMPTY,
    secondaryInput: 1,
    output: at === last ? 0 : SKIP_OUTPUT,
  }));
  return { kind: "file", actions };
}

/** Sets old times everywhere, so that a time of this test means that the copy has set it. */
function age(root: string): void {
  const started = BigInt(Date.now() - 3_600_000) * 1_000_000n;
  for (const path of [...treePaths(root).toReversed(), ""]) {
    const full = pathOfByteString(`${byteStringOf(root)}/${path}`);
    const { mtimeNs } = lstatSync(full, { bigint: true });
    if (mtimeNs > started && mtimeNs < started * 2n) lutimes(full, { atime: OLD, mtime: OLD });
  }
}

/** A line for each entry. Times that the copy has set to the current one are the same in both ways. */
async function lines(archive: Uint8Array, started: bigint): Promise<string[]> {
  const found: string[] = [];
  for await (const { body, ...header } of readTar(bytesOf(archive))) {
    const { path, type, mode, uid, gid, mtime, size, linkPath, devMajor, devMinor, xattrs } = header;
    const time = mtime >= started && mtime < started * 2n ? "now" : mtime;
    const { digest } = await digestBytes(body);
    found.push([path, type, mode, uid, gid, time, size, linkPath, devMajor, devMinor, digest, ...xattrs].join(" "));
  }
  return found;
}

interface Trees {
  readonly base: readonly TreeOp[];
  readonly source: readonly TreeOp[];
  /** Makes a socket in the source. */
  readonly listen?: (source: string) => Server;
}

type Outcome = "same" | "refused" | "both failed";

/** Runs an op on an overlay and describes it. Both must give the same layer, or the op fails and cannot be described. */
async function compare(trees: Trees, op: FileOp, tree: Partial<SourceTree> = {}): Promise<Outcome> {
  await using stack = await OverlayStack.open();
  const source = stack.make("source");
  for (const [root, ops] of [
    [stack.view, trees.base],
    [source, trees.source],
  ] as const) {
    for (const change of ops) perform(root, change);
  }
  await using server = trees.listen?.(source);
  if (server !== undefined) await once(server, "listening");
  age(stack.view);
  age(source);
  const inputs = [{ path: stack.view }, { path: source, ...tree }];
  const { lower, upper, view } = stack.push();
  const started = BigInt(Date.now() - 1000) * 1_000_000n;
  const open = (of: SourceTree) => Promise.resolve({ tree: of, [Symbol.asyncDispose]: () => Promise.resolve() });
  const change = () =>
    Promise.resolve({
      path: view,
      commit: () => Promise.resolve({ path: view }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  await using drafted = await draftFileOp(op, inputs, { read: open }).catch((error: unknown) => {
    assert.ok(error instanceof Error);
    return isVarveError(error, "unsupported") ? undefined : { error, [Symbol.asyncDispose]: () => Promise.resolve() };
  });
  const described =
    drafted === undefined || "error" in drafted ? drafted : await collect(drafted.archive(undefined), 1e8, what);
  try {
    await runFileOp(op, inputs, { change, read: open });
  } catch {
    assert.ok(!(described instanceof Uint8Array), "the op failed, but was described");
    return "both failed";
  }
  if (described === undefined) return "refused";
  if (!(described instanceof Uint8Array)) throw new Error("the op was not described", { cause: described });
  const onBase = op.actions[0]?.input !== EMPTY;
  const made = await collect(diffOverlay({ lower: onBase ? lower : undefined, upper }), 1e8, what);
  assert.deepEqual(await lines(described, started), await lines(made, started));
  return "same";
}

const dest = fc.constantFrom("/", "/a", "/a/", "/b/c", "/new/deep/", "/c.d");
const copyAction: fc.Arbitrary<Partial<CopyAction>> = fc.record(
  {
    src: fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom("/", "*", "/[ab]*") },
      { weight: 1, arbitrary: fc.constantFrom("/a", "/b", "/a/b", "/c") },
    ),
    dest,
    dirCopyContents: fc.boolean(),
    followSymlink: fc.boolean(),
    mode: fc.constantFrom(0o640, 0o4755),
    modeStr: fc.constantFrom("u+x,go-w", "a=rX"),
    owner: fc.constant({ user: { kind: "id", id: 7 }, group: { kind: "id", id: 8 } } as const),
    timestamp: fc.constantFrom(0n, OLD),
    includePatterns: fc.constantFrom(["a", "**/c"], ["b/*"]),
    excludePatterns: fc.constantFrom(["**/b"], ["a", "!a/c"]),
    alwaysReplaceExistingDestPaths: fc.boolean(),
  },
  { requiredKeys: ["src", "dest"] },
);

test("what a described copy keeps: names of one file, attributes, empty files for sockets, the owner of a context", async (t) => {
  if (!needsRoot(t)) return;
  const source: TreeOp[] = [
    { op: "write", path: "d/f", content: "f" },
    { op: "capability", path: "d/f" },
    { op: "link", path: "d/g", to: "d/f" },
    { op: "link", path: "outside", to: "d/f" },
    { op: "chown", path: "d/f", id: 1000 },
    { op: "symlink", path: "d/s", to: "f" },
    { op: "capability", path: "d" },
    { op: "fifo", path: "d/p" },
    { op: "write", path: "ignored/d/x", content: "x" },
  ];
  const tree = { filter: new PathFilter({ exclude: ["ignored"] }), owner: { uid: 0, gid: 0 } };
  const base: TreeOp[] = [
    { op: "mkdir", path: "to/d" },
    { op: "chmod", path: "to", mode: 0o2755 },
    { op: "chown", path: "to", id: 5 },
  ];
  const listen = (at: string): Server => createServer().listen(join(at, "d/socket"));
  for (const dest of ["/", "/to", "/to/new/"])
    for (const onBase of [true, false])
      assert.equal(await compare({ base: onBase ? base : [], source, listen }, opOf([{ dest }], onBase), tree), "same");
});

test("described copies of many files, and of large ones, are written in a thread", async (t) => {
  if (!needsRoot(t)) return;
  const many = Array.from({ length: 400 }, (_, at): TreeOp => {
    return { op: "write", path: `d${at % 20}/f${at}`, content: `${at}` };
  });
  const large: TreeOp = { op: "hole", path: "large", size: 9_000_000, place: 5_000_000 };
  assert.equal(await compare({ base: [], source: [...many, large] }, opOf([{ dest: "/to/" }], true)), "same");
});

test("what is not described: other actions, archives, links of the copy itself", async (t) => {
  if (!needsRoot(t)) return;
  const source: TreeOp[] = [
    { op: "symlink", path: "l", to: "elsewhere" },
    { op: "write", path: "f", content: "f" },
  ];
  const copies = [{ dest: "/d/" }, { src: "/f", dest: "/d/l/" }];
  assert.equal(await compare({ base: [], source }, opOf(copies, true)), "refused");
  const removal = { kind: "rm", path: "/f", allowNotFound: true, allowWildcard: false } as const;
  const op: FileOp = { kind: "file", actions: [{ ...removal, input: 0, secondaryInput: EMPTY, output: 0 }] };
  assert.equal(await compare({ base: [], source }, op), "refused");
});

test("a layer of more files than wanted is not described", async (t) => {
  if (!needsRoot(t)) return;
  await using stack = await OverlayStack.open();
  const source = stack.make("source");
  for (const path of ["a", "d/b"]) perform(source, { op: "write", path, content: path });
  const read = (path: string) => Promise.resolve({ tree: { path }, [Symbol.asyncDispose]: () => Promise.resolve() });
  const describe = (most: number) => draftFileOp(opOf([{}], true), [stack.view, source], { read }, undefined, most);
  await using drafted = await describe(2);
  assert.equal(drafted?.draft.entries.length, 4);
  await assert.rejects(describe(1), (error) => isVarveError(error, "unsupported"));
});

test("a file that changes after it was described is not read", async (t) => {
  if (!needsRoot(t)) return;
  await using stack = await OverlayStack.open();
  const source = stack.make("source");
  perform(source, { op: "write", path: "f", content: "before" });
  const read = (path: string) => Promise.resolve({ tree: { path }, [Symbol.asyncDispose]: () => Promise.resolve() });
  await using drafted = await draftFileOp(opOf([{}], true), [stack.view, source], { read });
  perform(source, { op: "write", path: "f", content: "after, and longer" });
  assert.ok(drafted !== undefined);
  await assert.rejects(collect(drafted.archive(undefined), 1e6, what), (error) => isVarveError(error, "busy"));
});

test("described copies give the layers of real ones", async (t) => {
  if (!needsRoot(t)) return;
  const outcomes = new Map<Outcome, number>();
  const property = fc.asyncProperty(
    treeOps(12),
    treeOps(20),
    fc.array(copyAction, { minLength: 1, maxLength: 3 }),
    async (base, source, copies) => {
      const outcome = await compare({ base, source }, opOf(copies, true));
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    },
  );
  const numRuns = generatedRuns(200, 10_000);
  await fc.assert(property, { numRuns });
  assert.ok((outcomes.get("same") ?? 0) > numRuns / 3, JSON.stringify([...outcomes]));
});

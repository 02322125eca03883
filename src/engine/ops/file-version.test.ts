import assert from "node:assert/strict";
import { lstatSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { COPY } from "../../../testing/copy-action.ts";
import { type TemporaryRecords, addLayer, recordsMissing, temporaryRecords } from "../../../testing/records.ts";
import { generatedRuns } from "../../../testing/sampled.ts";
import { type TreeOp, describeTree, perform, treeOps, treePaths } from "../../../testing/trees.ts";
import { wholeTree } from "../../contenthash/index.ts";
import { type Digest, digestOf } from "../../core/index.ts";
import { bytesOf, collect, digestBytes } from "../../io/index.ts";
import { diffOverlay, readTar } from "../../layer/index.ts";
import { lutimes, pathOfByteString } from "../../linux/index.ts";
import { type CopyAction, type FileOp, SKIP_OUTPUT } from "../../llb/index.ts";
import { type RecordId, SCRATCH } from "../../record/index.ts";
import type { OpContext } from "../../solver/index.ts";
import { openLocalContext } from "../../source/index.ts";
import { executeFile } from "./file.ts";
import { type Result, recordResult } from "./result.ts";

const skip = recordsMissing() ?? false;
const DEFINITION = digestOf("the definition of the op");

const run: OpContext = {
  signal: new AbortController().signal,
  vertex: `sha256:${"0".repeat(64)}`,
  report: () => undefined,
};

/** One copy after the other from the context onto the base. */
function opOf(copies: readonly Partial<CopyAction>[]): FileOp {
  const last = copies.length - 1;
  const actions = copies.map((copy, at) => ({
    ...COPY,
    ...copy,
    input: at > 0 ? 1 + at : 0,
    secondaryInput: 1,
    output: at === last ? 0 : SKIP_OUTPUT,
  }));
  return { kind: "file", actions };
}

interface Place {
  readonly fixture: TemporaryRecords;
  readonly base: RecordId;
  /** The base, mounted. */
  readonly lower: string;
  readonly definition?: Digest;
}

/** Copies a context as a build does. Undefined if the op fails. */
async function copied(
  op: FileOp,
  directory: string,
  { fixture, base, definition }: Place,
): Promise<RecordId | undefined> {
  const context = await openLocalContext(directory, { name: "context" });
  await context.checksum([wholeTree]);
  const inputs: Result[] = [recordResult(base), { kind: "context", context }];
  const deps = { ...fixture, layersAbove: 1 };
  const results = await executeFile({ op, definition }, inputs, deps, run).catch((error: unknown) => {
    assert.ok(error instanceof Error);
    return [];
  });
  const [result] = results;
  return result?.kind === "record" ? result.id : undefined;
}

/** The times that are set to the current one: later than the start of the test, in nanoseconds since 1970. */
const STARTED = BigInt(Date.now() - 1000) * 1_000_000n;
const DAY = 86_400_000_000_000n;
const OLD = 1_500_000_000_123_456_789n;

function isNow(time: bigint): boolean {
  return time >= STARTED && time < STARTED + DAY;
}

/** Gives what was changed now an old time, which no other version of the context has. Times of now are then those that a copy has set. */
function age(directory: string, version: number): void {
  for (const path of [...treePaths(directory).toReversed(), ""]) {
    const full = pathOfByteString(`${directory}/${path}`);
    if (!isNow(lstatSync(full, { bigint: true }).mtimeNs)) continue;
    const time = OLD + BigInt(version) * DAY;
    lutimes(full, { atime: time, mtime: time });
  }
}

/** A line for each entry of the layer, and its diffID if that does not depend on the time of the copy. */
async function layerOf({ fixture, lower }: Place, id: RecordId): Promise<string[]> {
  const [upper = "", ...revises] = fixture.snapshotter.upperDirs(snapshotOf(fixture, id)) ?? [];
  const tar = await collect(diffOverlay({ upper, revises, lower }), 1e8, { what: "the layer" });
  const found: string[] = [];
  let dated = false;
  for await (const { body, ...header } of readTar(bytesOf(tar))) {
    const { path, type, mode, uid, gid, mtime, size, linkPath, devMajor, devMinor, xattrs } = header;
    const time = isNow(mtime) ? "now" : mtime;
    const { digest } = await digestBytes(body);
    dated ||= isNow(mtime);
    found.push([path, type, mode, uid, gid, time, size, linkPath, devMajor, devMinor, digest, ...xattrs].join(" "));
  }
  return dated ? found : [...found, digestOf(tar)];
}

async function treeOf({ fixture }: Place, id: RecordId): Promise<string[]> {
  await using tree = await fixture.records.mount(id, fixture.hold);
  const lines = describeTree(tree.path, { directoryTimes: true, userXattrs: true });
  return lines.map((line) =>
    line.replace(/ time (\d+)/, (text, seconds) => (isNow(BigInt(String(seconds)) * 1_000_000_000n) ? " now" : text)),
  );
}

function snapshotOf({ records }: TemporaryRecords, id: RecordId): string {
  return records.get(id)?.snapshot ?? assert.fail();
}

function revisionOf({ fixture }: Place, id: RecordId): number {
  return fixture.snapshotter.stat(snapshotOf(fixture, id))?.revision ?? 0;
}

/** A change of what is there: `at` and `to` are numbers of entries. */
interface Edit {
  readonly kind: "append" | "capability" | "chmod" | "chown" | "link" | "new" | "remove" | "rename" | "times" | By;
  readonly at: number;
  readonly to: number;
}

type By = "directory" | "file" | "symlink";

function changeOf({ kind, at, to }: Edit, paths: readonly string[]): TreeOp {
  const path = paths[at % paths.length] ?? "a";
  const other = paths[to % paths.length] ?? "b";
  switch (kind) {
    case "append":
      return { op: "append", path, content: `${to}` };
    case "new":
      return { op: "write", path: `${path}-${to}/${at}`, content: `${to}` };
    case "remove":
    case "capability":
      return { op: kind, path };
    case "rename":
    case "link":
      return { op: kind, path: to % 2 === 0 ? `${other}-${at}` : other, to: path };
    case "chmod":
      return { op: "chmod", path, mode: [0o700, 0o755, 0o644, 0o4711][to % 4] ?? 0 };
    case "chown":
      return { op: "chown", path, id: to };
    case "times":
      return { op: "times", path, seconds: to };
    default:
      return { op: "replace", path, by: kind };
  }
}

interface History {
  readonly base: readonly TreeOp[];
  readonly first: readonly TreeOp[];
  readonly edits: readonly (readonly Edit[])[];
  readonly copies: readonly Partial<CopyAction>[];
}

/** Copies each version of a context in two roots, one of which knows the versions before. Returns how often it made use of that. */
async function compare(history: History, fixtures: readonly [TemporaryRecords, TemporaryRecords]): Promise<number> {
  const [known, fresh] = fixtures;
  const fill = (path: string): void => history.base.forEach((change) => perform(path, change));
  const bases = [await addLayer(known, SCRATCH, fill), await addLayer(fresh, SCRATCH, fill)] as const;
  await using below = await known.records.mount(bases[0], known.hold);
  await using same = await fresh.records.mount(bases[1], fresh.hold);
  const a = { fixture: known, base: bases[0], lower: below.path, definition: DEFINITION };
  const b = { fixture: fresh, base: bases[1], lower: same.path };
  const directory = join(known.root, `context-${a.base}`);
  mkdirSync(directory);
  const op = opOf(history.copies);
  let revisions = 0;
  for (const [version, edits] of [history.first, ...history.edits].entries()) {
    for (const edit of edits) perform(directory, "op" in edit ? edit : changeOf(edit, treePaths(directory)));
    age(directory, version);
    const [made, expected] = [await copied(op, directory, a), await copied(op, directory, b)];
    assert.equal(made === undefined, expected === undefined);
    if (made === undefined || expected === undefined) continue;
    revisions += Math.min(1, revisionOf(a, made));
    assert.deepEqual(await treeOf(a, made), await treeOf(b, expected));
    assert.deepEqual(await layerOf(a, made), await layerOf(b, expected));
  }
  return revisions;
}

const copyAction: fc.Arbitrary<Partial<CopyAction>> = fc.record(
  {
    src: fc.oneof({ weight: 4, arbitrary: fc.constantFrom("/", "*") }, fc.constantFrom("/a", "/[ab]*")),
    dest: fc.constantFrom("/", "/a", "/b/c", "/new/deep/"),
    mode: fc.constantFrom(0o640, 0o4755),
    owner: fc.constant({ user: { kind: "id", id: 7 }, group: { kind: "id", id: 8 } } as const),
    timestamp: fc.constantFrom(0n, 1_500_000_000_123_456_789n),
    excludePatterns: fc.constantFrom(["**/b"], ["a", "!a/c"]),
    alwaysReplaceExistingDestPaths: fc.boolean(),
  },
  { requiredKeys: ["src", "dest"] },
);

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom(
    ...(["append", "capability", "chmod", "chown", "link", "new", "remove", "rename", "times"] as const),
    ...(["directory", "file", "symlink"] as const),
  ),
  at: fc.nat(1000),
  to: fc.nat(1000),
});

const histories: fc.Arbitrary<History> = fc.record({
  base: treeOps(6),
  first: treeOps(30),
  edits: fc.array(fc.array(edit, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4, size: "max" }),
  copies: fc.array(copyAction, { minLength: 1, maxLength: 2 }),
});

/** Tries this number of histories in two roots of their own. Returns how many versions were made of the ones before. */
async function tryHistories(numRuns: number): Promise<number> {
  await using known = await temporaryRecords();
  await using fresh = await temporaryRecords();
  let revisions = 0;
  const property = fc.asyncProperty(histories, async (history) => {
    revisions += await compare(history, [known, fresh]);
  });
  await fc.assert(property, { numRuns });
  return revisions;
}

/** All 10,000 histories take about twenty minutes. */
const timeout = 3_600_000;

test("each version of a context gives the layer and the tree of a copy from nothing", { skip, timeout }, async () => {
  const numRuns = generatedRuns(50, 10_000);
  let revisions = 0;
  for (let left = numRuns; left > 0; left -= 100) revisions += await tryHistories(Math.min(left, 100));
  assert.ok(revisions > numRuns / 3, `${revisions} versions were made of the ones before`);
});

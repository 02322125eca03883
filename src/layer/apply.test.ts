import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { bytesOf, collect, temporaryDirectory } from "../io/index.ts";
import { needsRoot, OverlayStack } from "../../testing/overlays.ts";
import { CAPABILITY, describeTree, hasUnchangedCopies, perform, runs, treeOps } from "../../testing/trees.ts";
import { applyLayer, diffOverlay, packTree, type TarEntryType, type TarInput, writeTar } from "./index.ts";

const what = { what: "the layer" };
const PLAIN = { format: "plain" } as const;

/** A copy of a tree, made of its archive. */
async function copyOf(stack: OverlayStack, tree: string, name: string): Promise<string> {
  const copy = stack.make(name);
  await applyLayer(packTree(tree, { xattrs: "user" }), copy, PLAIN);
  return copy;
}

/** Applies a layer on the stack's tree in both forms, and describes the two results: the overlay's first. */
async function bothForms(stack: OverlayStack, inputs: readonly TarInput[]): Promise<string[][]> {
  const fresh = stack.make("fresh");
  await applyLayer(writeTar(inputs), fresh, { format: "overlay", lowerView: stack.view });
  const plain = await copyOf(stack, stack.view, "plain");
  await applyLayer(writeTar(inputs), plain, PLAIN);
  return [stack.push(fresh).view, plain].map((tree) => describeTree(tree));
}

test("a tree survives its archive", async (t) => {
  if (!needsRoot(t)) return;
  const property = fc.asyncProperty(treeOps(40), async (ops) => {
    await using stack = await OverlayStack.open();
    for (const op of ops) perform(stack.view, op);
    const copy = await copyOf(stack, stack.view, "copy");
    const options = { directoryTimes: true, userXattrs: true };
    assert.deepEqual(describeTree(copy, options), describeTree(stack.view, options));
  });
  await fc.assert(property, { numRuns: runs(80) });
});

test("a layer makes of what was below what it was made from, in both formats", async (t) => {
  if (!needsRoot(t)) return;
  const ops = treeOps(30);
  const property = fc.asyncProperty(fc.boolean(), ops, ops, async (userXattr, first, second) => {
    await using stack = await OverlayStack.open({ userXattr });
    for (const op of first) perform(stack.view, op);
    const { lower, upper, view } = stack.push();
    for (const op of second) perform(view, op);
    stack.refresh();
    fc.pre(!hasUnchangedCopies(lower, upper));
    const wanted = describeTree(view);
    const layer = await collect(diffOverlay({ lower, upper, userXattr }), 1e8, what);
    stack.pop();
    const plain = await copyOf(stack, lower, "plain");
    await applyLayer(bytesOf(layer), plain, PLAIN);
    assert.deepEqual(describeTree(plain), wanted);
    const fresh = stack.make("fresh");
    const overlay = { format: "overlay", lowerView: lower, userXattr } as const;
    await applyLayer(bytesOf(layer), fresh, overlay);
    assert.deepEqual(describeTree(stack.push(fresh).view), wanted);
    const again = stack.make("again");
    await applyLayer(diffOverlay({ lower, upper: fresh, userXattr }), again, overlay);
    stack.pop();
    assert.deepEqual(describeTree(stack.push(again).view), wanted);
  });
  await fc.assert(property, { numRuns: runs(80) });
});

const name = fc.constantFrom("a", "b", "c", "\xff", "..", ".wh.a", ".wh.b", ".wh..wh..opq");
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const hostileInput: fc.Arbitrary<TarInput> = fc
  .record({
    path,
    type: fc.constantFrom<TarEntryType>("file", "directory", "symlink", "hardlink", "fifo"),
    mode: fc.constantFrom(0o644, 0o755, 0o4755),
    linkPath: fc.oneof(
      path,
      path.map((to) => `/${to}`),
      path.map((to) => `../../${to}`),
    ),
    body: fc.constantFrom("x", "yy"),
  })
  .map(({ body, linkPath, ...rest }) => ({
    ...rest,
    ...(rest.type === "file" ? { body } : {}),
    ...(rest.type === "symlink" || rest.type === "hardlink" ? { linkPath } : {}),
  }));

test("any archive makes the same of both formats, and nothing outside", async (t) => {
  if (!needsRoot(t)) return;
  const property = fc.asyncProperty(
    fc.boolean(),
    treeOps(20),
    fc.array(hostileInput, { minLength: 1, maxLength: 8 }),
    async (userXattr, ops, inputs) => {
      await using stack = await OverlayStack.open({ userXattr });
      for (const op of ops) perform(stack.view, op);
      const layer = await collect(writeTar(inputs), 1e8, what);
      const before = describeTree(stack.view);
      const plain = await copyOf(stack, stack.view, "plain");
      const outcome = async (work: Promise<unknown>): Promise<string> =>
        await work.then(
          () => "done",
          (error: Error) => error.message,
        );
      const a = await outcome(applyLayer(bytesOf(layer), plain, PLAIN));
      const fresh = stack.make("fresh");
      const overlay = { format: "overlay", lowerView: stack.view, userXattr } as const;
      const b = await outcome(applyLayer(bytesOf(layer), fresh, overlay));
      assert.deepEqual(describeTree(stack.view), before);
      assert.equal(b, a);
      if (a === "done") assert.deepEqual(describeTree(stack.push(fresh).view), describeTree(plain));
    },
  );
  await fc.assert(property, { numRuns: runs(150) });
});

test("what a tree has: owner, set-id bits, capabilities, attributes, devices, times to the nanosecond", async (t) => {
  if (!needsRoot(t)) return;
  await using directory = await temporaryDirectory();
  const xattrs = new Map([
    ["security.capability", CAPABILITY],
    ["user.x", Buffer.from("y")],
    ["trusted.overlay.opaque", Buffer.from("y")],
    ["trusted.x", Buffer.from("y")],
    ["user.overlay.opaque", Buffer.from("y")],
  ]);
  const inputs: TarInput[] = [
    { path: "f", mode: 0o6755, uid: 5, gid: 6, mtime: 7_000_000_000n, xattrs, body: "content" },
    { path: "d", type: "directory", mode: 0o1777, mtime: -3_000_000_000n, xattrs },
    { path: "d/dev", type: "block", devMajor: 8, devMinor: 300 },
    { path: "d/s", type: "symlink", linkPath: "../f", uid: 9, xattrs: new Map([["user.x", Buffer.from("y")]]) },
    { path: "h", type: "hardlink", linkPath: "f", mode: 0o6755, uid: 5, gid: 6, mtime: 7_000_000_000n, xattrs },
  ];
  const { size, skipped } = await applyLayer(writeTar(inputs), directory.path, PLAIN);
  assert.deepEqual([size, skipped], [7, []]);
  assert.deepEqual(describeTree(directory.path, { directoryTimes: true, userXattrs: true }), [
    `"d" 41777 0:0 time -3 security.capability=${CAPABILITY.toString("hex")} user.x=79`,
    '"d/dev" 60644 0:0 time 0 device 8:300',
    '"d/s" 120777 9:0 time 0 to "../f"',
    `"f" 106755 5:6 time 7 content "content" security.capability=${CAPABILITY.toString("hex")} user.x=79`,
    `"h" 106755 5:6 time 7 content "content" security.capability=${CAPABILITY.toString("hex")} user.x=79 is "f"`,
  ]);
});

test("a layer's directory has the layer's attributes only, in both formats and any order", async (t) => {
  if (!needsRoot(t)) return;
  const xattrs = (name: string): ReadonlyMap<string, Uint8Array> => new Map([[name, Buffer.from("y")]]);
  const inputs: TarInput[] = [
    { path: "d", type: "directory", xattrs: xattrs("user.new") },
    { path: "d/f", body: "x" },
  ];
  for (const order of [inputs, inputs.toReversed()]) {
    await using stack = await OverlayStack.open();
    const old: TarInput = { path: "d", type: "directory", xattrs: xattrs("user.old") };
    await applyLayer(writeTar([old]), stack.view, PLAIN);
    const fresh = stack.make("fresh");
    await applyLayer(writeTar(order), fresh, { format: "overlay", lowerView: stack.view });
    await applyLayer(writeTar(order), stack.view, PLAIN);
    for (const tree of [fresh, stack.view]) {
      const [line] = describeTree(tree, { userXattrs: true });
      assert.equal(line, '"d" 40755 0:0 user.new=79');
    }
  }
});

test("a hard link's target goes with its directory when that is deleted afterwards", async (t) => {
  if (!needsRoot(t)) return;
  await using stack = await OverlayStack.open();
  await applyLayer(writeTar([{ path: "d/sub/c", body: "x" }]), stack.view, PLAIN);
  const inputs: TarInput[] = [{ path: "h", type: "hardlink", linkPath: "d/sub/c" }, { path: ".wh.d" }];
  for (const tree of await bothForms(stack, inputs)) assert.deepEqual(tree, ['"h" 100644 0:0 time 0 content "x"']);
});

test("a hard link to a file below what it replaces is refused, whichever layer has that file", async (t) => {
  if (!needsRoot(t)) return;
  await using stack = await OverlayStack.open();
  await applyLayer(writeTar([{ path: "a/b/c", body: "x" }]), stack.view, PLAIN);
  const layer = async (): Promise<Uint8Array> =>
    await collect(writeTar([{ path: "a", type: "hardlink", linkPath: "a/b/c" }]), 1e6, what);
  const plain = await copyOf(stack, stack.view, "plain");
  const refused = { message: 'Cannot read the layer: "a" is a hard link to "a/b/c", which is not a file' };
  await assert.rejects(applyLayer(bytesOf(await layer()), plain, PLAIN), refused);
  const overlay = { format: "overlay", lowerView: stack.view } as const;
  await assert.rejects(applyLayer(bytesOf(await layer()), stack.make("fresh"), overlay), refused);
});

test("a directory that a link only passes through is not a part of the layer", async (t) => {
  if (!needsRoot(t)) return;
  await using stack = await OverlayStack.open();
  await applyLayer(writeTar([{ path: "a/f", body: "x" }]), stack.view, PLAIN);
  const inputs: TarInput[] = [
    { path: "b", type: "symlink", linkPath: "a/../c" },
    { path: "b/g", body: "y" },
    { path: ".wh.a" },
  ];
  const [overlaid, copied] = await bothForms(stack, inputs);
  assert.deepEqual(overlaid, copied);
  assert.deepEqual(
    copied?.map((line) => line.split(" ")[0]),
    ['"b"', '"c"', '"c/g"'],
  );
});

test("a deletion in a directory that then becomes a link deletes nothing elsewhere", async (t) => {
  if (!needsRoot(t)) return;
  await using stack = await OverlayStack.open();
  await applyLayer(writeTar(["c/a", "d/a"].map((path): TarInput => ({ path, body: "x" }))), stack.view, PLAIN);
  const inputs: TarInput[] = [{ path: "c/.wh.a" }, { path: "c", type: "symlink", linkPath: "d" }, { path: "d/b" }];
  const [overlaid, copied] = await bothForms(stack, inputs);
  assert.deepEqual(overlaid, copied);
  assert.deepEqual(
    copied?.map((line) => line.split(" ")[0]),
    ['"c"', '"d"', '"d/a"', '"d/b"'],
  );
});

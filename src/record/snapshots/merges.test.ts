import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { type TemporaryRecords, addLayer, recordsMissing, temporaryRecords } from "../../../testing/records.ts";
import { type RecordId, SCRATCH } from "../types.ts";

const skip = recordsMissing() ?? false;

/** What a layer does: writes a file of its name (`a`), makes a directory (`d/`), a link (`l->t`), or deletes something (`-a`). */
type Change = string;

function change(root: string, each: Change): void {
  const [link = "", to] = each.split("->");
  const path = join(root, link.replace(/^-/, ""));
  if (each.startsWith("-")) return rmSync(path, { recursive: true });
  mkdirSync(dirname(path), { recursive: true });
  if (to !== undefined) symlinkSync(to, path);
  else if (each.endsWith("/")) mkdirSync(path);
  else writeFileSync(path, each);
}

/** Records by what their layers do: the fixture with short functions. */
function graph(fixture: TemporaryRecords) {
  const { records, hold } = fixture;
  const layer = async (parent: RecordId, ...changes: readonly Change[]): Promise<RecordId> =>
    await addLayer(fixture, parent, (path) => changes.forEach((each) => change(path, each)));
  return {
    layer,
    diff: async (lower: RecordId, upper: RecordId) => await records.diff(lower, upper, hold),
    merge: (...parents: readonly RecordId[]) => records.merge(parents, {}, hold.lease),
    /** All paths of a tree; directories end in a slash. */
    paths: async (id: RecordId): Promise<string[]> => {
      await using tree = await records.mount(id, hold);
      const entries = readdirSync(tree.path, { recursive: true, withFileTypes: true });
      return entries
        .map(
          (entry) => join(entry.parentPath, entry.name).slice(tree.path.length + 1) + (entry.isDirectory() ? "/" : ""),
        )
        .sort();
    },
  };
}

function both(name: string, run: (parts: ReturnType<typeof graph>, fixture: TemporaryRecords) => Promise<void>): void {
  for (const driver of ["overlay", "overlay-user", "copy"] as const)
    test(`${driver}: ${name}`, { skip }, async () => {
      await using fixture = await temporaryRecords({ driver });
      await run(graph(fixture), fixture);
    });
}

both("what a difference deletes is deleted from what it is merged with, and from nothing else", async (parts) => {
  const { layer, diff, merge, paths } = parts;
  const base = await layer(SCRATCH, "keep", "gone", "d/gone");
  const difference = await diff(base, await layer(base, "-gone", "-d/gone", "d/new"));
  assert.deepEqual(await paths(difference), ["d/", "d/new"]);
  const other = await layer(SCRATCH, "gone", "d/gone", "d/stays", "keep");
  assert.deepEqual(await paths(merge(other, difference)), ["d/", "d/new", "d/stays", "keep"]);
  assert.deepEqual(await paths(merge(difference, other)), ["d/", "d/gone", "d/new", "d/stays", "gone", "keep"]);
});

both("a directory that a layer made anew hides only what was below it", async ({ layer, diff, merge, paths }) => {
  const base = await layer(SCRATCH, "d/a", "f");
  const made = await layer(base, "-d", "d/b", "-f", "f/c");
  assert.deepEqual(await paths(made), ["d/", "d/b", "f/", "f/c"]);
  const other = await layer(SCRATCH, "d/a", "d/e", "f/g");
  // The lowest layer of the second part replaces `f` by a file.
  const expected = ["d/", "d/b", "d/e", "f/", "f/c"];
  assert.deepEqual(await paths(merge(other, made)), expected);
  assert.deepEqual(await paths(merge(other, merge(await layer(SCRATCH, "x"), made))), [...expected, "x"]);
  assert.deepEqual(
    await paths(merge(other, merge(await layer(SCRATCH, "d/h"), made))),
    expected.toSpliced(3, 0, "d/h"),
  );
  assert.deepEqual(await paths(merge(await layer(SCRATCH, "x"), made)), ["d/", "d/b", "f/", "f/c", "x"]);
  assert.deepEqual(await paths(merge(other, await diff(base, made))), [...expected, "f/g"]);
});

both("a layer on a difference takes the difference's deletions along", async ({ layer, diff, merge, paths }) => {
  const base = await layer(SCRATCH, "a", "b");
  const built = await layer(await diff(base, await layer(base, "-a", "c")), "d");
  assert.deepEqual(await paths(built), ["c", "d"]);
  assert.deepEqual(await paths(merge(base, built)), ["b", "c", "d"]);
  const further = await layer(built, "-c", "e");
  assert.deepEqual(await paths(merge(base, further)), ["b", "d", "e"]);
});

both("a merge whose lowest part is a difference takes its deletions along", async ({ layer, diff, merge, paths }) => {
  const base = await layer(SCRATCH, "a", "b");
  const other = await layer(SCRATCH, "x");
  const inner = await layer(merge(await diff(base, await layer(base, "-a")), other), "y");
  assert.deepEqual(await paths(inner), ["x", "y"]);
  assert.deepEqual(await paths(merge(base, inner)), ["b", "x", "y"]);
});

both("a difference to scratch deletes everything it is about", async ({ layer, diff, merge, paths }) => {
  const base = await layer(SCRATCH, "a", "d/b");
  const more = await layer(SCRATCH, "foo");
  assert.deepEqual(await paths(merge(base, more, await diff(base, SCRATCH))), ["foo"]);
  assert.deepEqual(await paths(await diff(base, SCRATCH)), []);
});

both("differences of differences and of merges", async ({ layer, diff, merge, paths }) => {
  const a = await layer(SCRATCH, "a");
  const ab = await layer(a, "b");
  const abc = await layer(ab, "c");
  assert.deepEqual(await paths(await diff(await diff(a, ab), await diff(a, abc))), ["c"]);
  assert.deepEqual(await paths(merge(abc, await diff(await diff(a, abc), await diff(a, ab)))), ["a", "b"]);
  const c = await layer(SCRATCH, "c");
  const [whole, part] = [merge(ab, c), merge(ab, await layer(c, "-c"))];
  assert.deepEqual(await paths(merge(whole, await diff(whole, part))), ["a", "b"]);
  assert.deepEqual(await paths(merge(part, await diff(whole, await layer(whole, "-a", "d")))), ["b", "d"]);
});

both("directories that were removed and made again hide what was in them", async ({ layer, diff, merge, paths }) => {
  const base = await layer(SCRATCH, "d/a", "d/s/b");
  const again = await layer(base, "-d", "d/c");
  const rebased = await layer(base, "d/x", "d/s/y");
  // As in BuildKit, what the difference did not know of stays, but for the directory that it removed.
  assert.deepEqual(await paths(merge(rebased, await diff(base, again))), ["d/", "d/c", "d/x"]);
  const emptied = await layer(await layer(SCRATCH, "d/"), "-d");
  assert.deepEqual(await paths(merge(base, emptied, await layer(SCRATCH, "d/b"))), ["d/", "d/b"]);
  const file = await layer(SCRATCH, "d");
  assert.deepEqual(await paths(merge(base, file, await layer(SCRATCH, "d/b"))), ["d/", "d/b"]);
});

both("what is deleted of a directory that nothing else has is not listed", async ({ layer, diff, merge, paths }) => {
  const base = await layer(SCRATCH, "a");
  const extra = await layer(base, "extra/deep/f", "extra/g");
  const fewer = await diff(extra, await layer(extra, "-extra/deep/f"));
  // As in BuildKit, the directories of what is deleted are a part of the difference.
  assert.deepEqual(await paths(merge(base, fewer)), ["a", "extra/", "extra/deep/"]);
  const upon = await layer(merge(base, fewer), "extra/deep/h");
  assert.deepEqual(await paths(upon), ["a", "extra/", "extra/deep/", "extra/deep/h"]);
  const chain = await layer(await layer(SCRATCH, "d/x"), "-d/x");
  assert.deepEqual(await paths(merge(await layer(SCRATCH, "d->a"), chain)), ["d/"]);
});

both("links are not followed when something is deleted or added", async ({ layer, diff, merge, paths }, fixture) => {
  const base = await layer(SCRATCH, "base");
  const link = await diff(base, await layer(base, "bar/", "foo->bar"));
  const withFoo = await layer(base, "foo/");
  const withFile = await diff(withFoo, await layer(withFoo, "foo/file"));
  assert.deepEqual(await paths(merge(base, link, withFile)), ["bar/", "base", "foo/", "foo/file"]);
  assert.deepEqual(await paths(merge(base, withFile, link)), ["bar/", "base", "foo"]);
  assert.deepEqual(await paths(merge(base, link, await diff(withFoo, await layer(withFoo, "-foo")))), ["bar/", "base"]);
  const below = await diff(withFile, await layer(withFile, "-foo/file"));
  assert.deepEqual(await paths(merge(base, await layer(link, "bar/file"), below)), [
    "bar/",
    "bar/file",
    "base",
    "foo/",
  ]);
  await using tree = await fixture.records.mount(merge(link, await layer(SCRATCH, "bar/x")), fixture.hold);
  assert.equal(readFileSync(join(tree.path, "foo/x"), "utf8"), "bar/x");
});

import assert from "node:assert/strict";
import { linkSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { COPY } from "../../testing/copy-action.ts";
import { mountedFilesystem, sharesBlocks } from "../../testing/filesystems.ts";
import { mountOverlay, unmount } from "../linux/index.ts";
import type { CopyAction } from "../llb/index.ts";
import { applyFileAction } from "./index.ts";

const COPIED: CopyAction = { ...COPY, dest: "/copied" };

for (const type of ["btrfs", "xfs"] as const) {
  test(`COPY shares blocks on ${type}`, async (t) => {
    const root = await mountedFilesystem(t, type);
    if (root === undefined) return;
    const [source, target] = [join(root, "source"), join(root, "target")];
    for (const path of [source, target]) mkdirSync(path);
    writeFileSync(join(source, "small"), Buffer.alloc(40_000, "small"));
    writeFileSync(join(source, "large"), Buffer.alloc(3_000_000, "large"));
    linkSync(join(source, "large"), join(source, "other"));
    await applyFileAction(COPIED, { target, source: { path: source }, treeOf: () => Promise.resolve(undefined) });
    for (const name of ["small", "large"]) {
      assert.ok(sharesBlocks(join(target, "copied", name)), name);
      assert.ok(readFileSync(join(target, "copied", name)).equals(readFileSync(join(source, name))), name);
    }
    const [large, other] = ["large", "other"].map((name) => lstatSync(join(target, "copied", name)));
    assert.equal(large?.ino, other?.ino);
    assert.equal(large?.nlink, 2);
  });

  test(`COPY --from shares blocks between overlays on ${type}`, async (t) => {
    const root = await mountedFilesystem(t, type);
    if (root === undefined) return;
    await using mounts = new AsyncDisposableStack();
    const [source, target] = ["source", "target"].map((name) => {
      const [lower, upper, work, view] = ["lower", "upper", "work", "view"].map((part) => join(root, name, part));
      for (const path of [lower, upper, work, view]) mkdirSync(path as string, { recursive: true });
      mountOverlay({ lower: [lower as string], upper: upper, work: work, target: view as string });
      mounts.defer(() => unmount(view as string));
      return view as string;
    }) as [string, string];
    writeFileSync(join(source, "large"), Buffer.alloc(3_000_000, "large"));
    await applyFileAction(COPIED, { target, source: { path: source }, treeOf: () => Promise.resolve(undefined) });
    assert.ok(sharesBlocks(join(root, "target/upper/copied/large")));
  });
}

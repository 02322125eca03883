/** What has broken others: an archive for each published advisory, put together by hand. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, linkSync, lstatSync, mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { isVarveError } from "../core/index.ts";
import { type Bytes, bytesOf, temporaryDirectory } from "../io/index.ts";
import { hasCapability } from "../linux/index.ts";
import { needsRoot } from "../../testing/overlays.ts";
import { MOBY, UNPACKERS } from "../../testing/advisories/containers.ts";
import { NODE_TAR, TAR_FS } from "../../testing/advisories/node.ts";
import { PYTHON } from "../../testing/advisories/python.ts";
import { READERS } from "../../testing/advisories/readers.ts";
import { describeTree, treePaths } from "../../testing/trees.ts";
import { applyLayer, extractArchive } from "./index.ts";

const ADVISORIES = [...NODE_TAR, ...TAR_FS, ...MOBY, ...UNPACKERS, ...READERS, ...PYTHON];
const chown = hasCapability("chown");
/** The most that the process may grow by, in KiB, for any of these. */
const MEMORY = 150_000;

type Way = (archive: Bytes, before: Bytes | undefined, root: string) => Promise<unknown>;

const WAYS: Readonly<Record<string, Way>> = {
  async plain(archive, before, root) {
    if (before !== undefined) await applyLayer(before, root, { format: "plain", chown });
    return await applyLayer(archive, root, { format: "plain", chown });
  },
  async overlay(archive, before, root) {
    if (before === undefined) return await applyLayer(archive, root, { format: "overlay", chown });
    const lowerView = `${dirname(root)}/lower`;
    mkdirSync(lowerView);
    await applyLayer(before, lowerView, { format: "plain", chown });
    return await applyLayer(archive, root, { format: "overlay", chown, lowerView });
  },
  async archive(archive, before, root) {
    if (before !== undefined) await extractArchive({ bytes: before }, root, { chown });
    return await extractArchive({ bytes: archive }, root, { chown });
  },
};

function bytes(archive: Buffer | Bytes): Bytes {
  return Buffer.isBuffer(archive) ? bytesOf(archive) : archive;
}

/** Everything beside the directory, with all that could be changed in it. */
function canary(outside: string): string[] {
  const links = ["", ...treePaths(outside)].map((path) => {
    const { mode, mtimeMs, nlink, uid, gid } = lstatSync(`${outside}/${path}`);
    return [path, mode, mtimeMs, nlink, uid, gid].join(" ");
  });
  return [...links, ...describeTree(outside, { directoryTimes: true, userXattrs: true })];
}

function makeOutside(outside: string): void {
  mkdirSync(`${outside}/directory`, { recursive: true });
  for (const name of ["file", "directory/file"]) writeFileSync(`${outside}/${name}`, "untouched");
  linkSync(`${outside}/file`, `${outside}/other`);
  chmodSync(`${outside}/file`, 0o640);
  for (const path of ["file", "directory/file", "directory", ""]) utimesSync(`${outside}/${path}`, 100, 100);
}

async function outcome(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => "contained",
    (error: unknown) => (isVarveError(error) ? error.code : `thrown: ${String(error)}`),
  );
}

/** Compressed archives are for ADD; a layer is decompressed before it comes here. */
function takes(way: string, archive: Buffer | Bytes): boolean {
  return way === "archive" || !Buffer.isBuffer(archive) || archive[0] !== 0x1f;
}

for (const { id, does, archive, before, expected, tree } of ADVISORIES) {
  test(`${id}: ${does}`, async (t) => {
    for (const [way, unpack] of Object.entries(WAYS)) {
      if (way === "overlay" && !needsRoot(t)) continue;
      await using temporary = await temporaryDirectory();
      // By what can remove trees that are deeper than PATH_MAX.
      using _removal = { [Symbol.dispose]: () => void execFileSync("rm", ["-rf", `${temporary.path}/root`]) };
      const [root, outside] = [`${temporary.path}/root`, `${temporary.path}/root-outside`];
      mkdirSync(root);
      makeOutside(outside);
      const untouched = canary(outside);
      const data = archive(outside);
      if (!takes(way, data)) continue;
      const peak = process.resourceUsage().maxRSS;
      const first = before === undefined ? undefined : bytesOf(before(outside));
      assert.equal(await outcome(unpack(bytes(data), first, root)), expected, way);
      assert.ok(process.resourceUsage().maxRSS - peak < MEMORY, `${way} took too much memory`);
      assert.deepEqual(canary(outside), untouched, way);
      if (tree !== undefined) assert.deepEqual(treePaths(root), tree, way);
    }
  });
}

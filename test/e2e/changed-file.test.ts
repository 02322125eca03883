import assert from "node:assert/strict";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Varve, buildsUnavailable, sh, sharedVarve } from "../../testing/varve.ts";

const { skip, varve } = await sharedVarve();
const FILES = 600;
/** The second copy reads the files of the first. */
const DOCKERFILE = "FROM scratch\nCOPY tree /tree\nCOPY x /x\n";
const FILE = /"[^"]*(file-\d+)"/;

/** A context that has been built twice: what changed in the instant in which it was read is read again. */
async function builtContext(name: string): Promise<string> {
  const names = Array.from({ length: FILES }, (_, index) => `tree/d${index % 10}/file-${index}`);
  const files = Object.fromEntries(names.map((file) => [file, `${name} ${file}\n`]));
  const folder = await varve.context(name, DOCKERFILE, { ...files, x: "x" });
  for (let count = 0; count < 2; count += 1) await varve.build(["-o", "type=cacheonly", folder]);
  return folder;
}

async function change(folder: string): Promise<void> {
  await writeFile(join(folder, "tree/d1/file-11"), "changed\n");
  await writeFile(join(folder, "tree/d2/file-new-1"), "new\n");
  await rename(join(folder, "tree/d3/file-13"), join(folder, "tree/d4/file-13"));
  await rm(join(folder, "tree/d5"), { recursive: true });
}

describe(
  "a copy of a context in which little has changed",
  { skip: skip || (buildsUnavailable("strace") ?? false) },
  () => {
    test("opens and creates only what has changed, for a step that needs the files", async () => {
      const folder = await builtContext("counted");
      await change(folder);
      const trace = join(varve.folder, "trace");
      const wrapper = ["strace", "-f", "-qq", "-e", "trace=open,openat,openat2,mknod,link,linkat", "-o", trace];
      const { steps } = await varve.build(["-o", "type=cacheonly", folder], { wrapper });
      assert.equal(steps.find(({ name }) => name.includes("COPY tree"))?.status, "run");
      const opened = (await readFile(trace, "utf8")).split("\n").flatMap((line) => FILE.exec(line)?.[1] ?? []);
      assert.deepEqual([...new Set(opened)].sort(), ["file-11", "file-13"]);
      const found = await sh("sh", "-c", `find ${join(varve.root, "snapshots")} -type f -name 'file-*' | wc -l`);
      assert.equal(Number(found), FILES + 3);
    });

    test("has the layer and the files of a copy from nothing, and so has the next one", async () => {
      const folder = await builtContext("compared");
      for (const more of [change, async (at: string) => await writeFile(join(at, "tree/d1/file-21"), "again\n")]) {
        await more(folder);
        const made = await varve.make([folder]);
        await using other = await Varve.open();
        const fresh = await other.make([folder]);
        assert.equal(made.manifest.layers[0]?.digest, fresh.manifest.layers[0]?.digest);
        assert.deepEqual([...made.files.keys()].sort(), [...fresh.files.keys()].sort());
      }
    });
  },
);

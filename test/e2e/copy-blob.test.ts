import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { sh, sharedVarve } from "../../testing/varve.ts";

const { skip, varve, base } = await sharedVarve();

/** The files with this content in the snapshots of the root. */
async function inSnapshots(text: string): Promise<string[]> {
  const found = await sh("grep", "-rl", text, join(varve.root, "snapshots")).catch(() => "");
  return found.split("\n").filter((line) => line !== "");
}

describe("copies that nobody but an exporter reads", { skip }, () => {
  test("become a blob without a copy on disk, the same as a copy would", async () => {
    const files = { "f.txt": "only-exported-1", "d/g.txt": "only-exported-2" };
    const folder = await varve.context("exported", `FROM ${base}\nCOPY --chown=7 . /to\n`, files);
    const layout = join(varve.folder, "exported-layout");
    const exported = await varve.build(["--no-cache", "-o", `type=oci,tar=false,dest=${layout}`, folder]);
    assert.equal(exported.steps.at(-1)?.status, "run");
    assert.deepEqual(await inSnapshots("only-exported"), []);

    const made = await varve.make(["--no-cache", folder]);
    assert.equal((await inSnapshots("only-exported")).length, 2);
    const layers = async (at: string): Promise<string> => await sh("sh", "-c", `ls ${at}/blobs/sha256 | sort`);
    const [before, after] = [await layers(layout), await layers(made.layout)];
    for (const { digest } of made.manifest.layers) {
      assert.ok(before.includes(digest.slice(7)), `${before} has no ${digest}`);
      assert.ok(after.includes(digest.slice(7)));
    }
    assert.equal(made.files.get("to/d/g.txt")?.owner, "7:7");
  });

  test("have files when a later step or another output needs them", async () => {
    const files = { f: "needed-later\n", "Dockerfile.more": `FROM ${base}\nCOPY f /\nCOPY f /g\nRUN cat f g > both\n` };
    const folder = await varve.context("needed", `FROM ${base}\nCOPY f /\n`, files);
    await varve.build(["-t", "needed", folder]);
    assert.deepEqual(await inSnapshots("needed-later"), []);
    const made = await varve.make(["-f", join(folder, "Dockerfile.more"), folder]);
    assert.equal(made.steps.find(({ name }) => name.endsWith("COPY f /"))?.status, "hit");
    assert.equal(made.text("both"), "needed-later\nneeded-later\n");
  });

  test("of a stage and with --link, too", async () => {
    const dockerfile = `FROM ${base} AS made
RUN mkdir /out && echo from-a-stage > /out/f
FROM ${base}
COPY --link x /linked/x
COPY --link --from=made /out /out
`;
    const folder = await varve.context("linked", dockerfile, { x: "linked-text" });
    const layout = join(varve.folder, "linked-layout");
    await varve.build(["-o", `type=oci,tar=false,dest=${layout}`, folder]);
    assert.deepEqual(await inSnapshots("linked-text"), []);
    assert.equal((await inSnapshots("from-a-stage")).length, 1);
    const made = await varve.make([folder]);
    assert.equal(made.text("out/f"), "from-a-stage\n");
    assert.equal(made.text("linked/x"), "linked-text");
  });

  test("fail as copies do", async () => {
    const folder = await varve.context("missing", `FROM ${base}\nCOPY f /etc/passwd/f\n`, { f: "f" });
    const failed = await varve.tryBuild(["-t", "missing", folder]);
    assert.notEqual(failed.code, 0);
    assert.match(failed.stderr, /\/etc\/passwd: not a directory/);
    await writeFile(join(folder, "Dockerfile"), `FROM ${base}\nCOPY nothing* /\n`);
    assert.match((await varve.tryBuild(["-t", "missing", folder])).stderr, /nothing\*/);
  });
});

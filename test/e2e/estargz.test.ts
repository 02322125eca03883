import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { blobPath, readMade } from "../../testing/made.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { Varve, buildsUnavailable, busyboxImage } from "../../testing/varve.ts";
import { digestOf } from "../../src/core/index.ts";

const skip = buildsUnavailable() ?? registryMissing() ?? false;
const TOC = "containerd.io/snapshot/stargz/toc.digest";

describe("eStargz", { skip }, () => {
  const stack = new AsyncDisposableStack();
  let varve: Varve;
  let registry: RegistryServer;
  let folder: string;

  before(async () => {
    varve = stack.use(await Varve.open());
    registry = stack.use(await startRegistry());
    const base = await busyboxImage(varve);
    folder = await varve.context("app", `FROM ${base}\nCOPY f /f\nRUN rm /etc/group && ln /f /g && true > /empty\n`, {
      f: "f",
    });
  });
  after(() => stack.disposeAsync());

  /** The layers and diffIDs of an image that is written as a layout, each checked against its blob. */
  async function layersOf(
    at: Varve,
    output: string,
    name: string,
    args: readonly string[],
  ): Promise<{ digests: string[]; diffIds: readonly string[]; tables: number }> {
    const dest = join(at.folder, name);
    await at.build(["-o", `type=tar,dest=${dest}.tar`, "-o", `type=oci,tar=false,dest=${dest},${output}`, ...args]);
    const { config, manifest } = await readMade(`${dest}.tar`, dest);
    const layers = manifest.layers as readonly { digest: string; annotations?: Record<string, string> }[];
    for (const [index, { digest }] of layers.entries())
      assert.equal(digestOf(gunzipSync(await readFile(blobPath(dest, digest)))), config.rootfs.diff_ids[index]);
    const tables = layers.filter(({ annotations = {} }) => Object.hasOwn(annotations, TOC)).length;
    return { digests: layers.map(({ digest }) => digest), diffIds: config.rootfs.diff_ids, tables };
  }

  test("pushed, pulled elsewhere, built upon, and taken back to plain gzip", async () => {
    const name = `${registry.host}/team/estargz:1`;
    const forced = "compression=estargz,force-compression=true";
    const plain = await layersOf(varve, "compression=gzip", "plain", [folder]);
    assert.equal(plain.tables, 0);
    await varve.build(["-o", `type=image,name=${name},push=true,${forced}`, folder]);
    await using other = await Varve.open();
    const context = await other.context(
      "on",
      `FROM ${name}\nRUN test "$(cat /g)" = f && test ! -e /etc/group && test ! -e /stargz.index.json\n`,
    );
    const kept = await layersOf(other, "compression=gzip", "kept", [context]);
    assert.equal(kept.tables, plain.digests.length, "the base stays what it is");
    const again = await layersOf(other, forced, "again", [context]);
    assert.deepEqual(again.digests.slice(0, -1), kept.digests.slice(0, -1));
    assert.equal(again.tables, again.digests.length);
    const back = await layersOf(other, "compression=gzip,force-compression=true", "back", [context]);
    assert.equal(back.tables, 0);
    assert.deepEqual(back.digests.slice(0, -1), plain.digests);
    assert.deepEqual(back.diffIds.slice(0, -1), plain.diffIds);
    assert.deepEqual(await layersOf(other, forced, "forced", [context]), again);
  });

  test("what it is no form of is refused before anything is built", async () => {
    const failed = await varve.tryBuild(["-o", "type=image,name=x,compression=estargz,oci-mediatypes=false", folder]);
    assert.notEqual(failed.code, 0);
    assert.match(failed.stderr, /exporter option "compression=estargz" conflicts with "oci-mediatypes=false"/);
    const own = await varve.context("own", "FROM scratch\nCOPY . /\n", { "stargz.index.json": "{}" });
    const layer = await varve.tryBuild(["-o", "type=image,name=y,compression=estargz", own]);
    assert.match(layer.stderr, /it contains a file called stargz\.index\.json/);
  });
});

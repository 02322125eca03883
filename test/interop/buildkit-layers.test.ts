import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Dockerd, newerDocker, startDockerd } from "../../testing/dockerd.ts";
import { peersMissing } from "../../testing/peers.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { RICH_DOCKERFILE, richBase, richContext, untar } from "../../testing/rich-image.ts";
import { describeTree } from "../../testing/trees.ts";
import { Varve } from "../../testing/varve.ts";

const newer = newerDocker();
const skip =
  registryMissing() ?? peersMissing("tar") ?? (newer === undefined ? "no newer Docker can be had here" : undefined);
const stack = new AsyncDisposableStack();
let varve: Varve;
let docker: Dockerd;
let registry: RegistryServer;
let context: string;

before(async () => {
  if (skip !== undefined || newer === undefined) return;
  varve = stack.use(await Varve.open());
  docker = stack.use(await startDockerd({ newer }));
  registry = stack.use(await startRegistry());
  await richBase(varve);
  context = await richContext(varve);
  const base = `${registry.host}/base:1`;
  for (const args of [
    ["tag", "varve.test/rich-base:1", base],
    ["push", base],
  ]) {
    const { code, stderr } = await varve.run(args);
    assert.equal(code, 0, stderr);
  }
  await writeFile(join(context, "Dockerfile"), RICH_DOCKERFILE.replace("varve.test/rich-base:1", base));
});
after(() => stack.disposeAsync());

const buildx = (...args: string[]): Promise<string> =>
  docker.docker(["buildx", "build", "--progress=plain", "--network=none", ...args]);
const image = (name: string, compression: string): string =>
  `type=image,name=${name},push=true,compression=${compression},force-compression=true,oci-mediatypes=true`;

/** The tree Varve makes of an image of the registry, in a store that has nothing yet. */
async function treeByVarve(name: string): Promise<string[]> {
  await using other = await Varve.open();
  const file = join(other.folder, "tree.tar");
  await other.build(["-f", "-", "-o", `type=tar,dest=${file}`, await other.files("empty", {})], {
    input: `FROM ${name}\n`,
  });
  return describeTree(await untar(file, join(other.folder, "tree")));
}

/** The tree BuildKit makes of it, of nothing but the layers. */
async function treeByBuildKit(name: string): Promise<string[]> {
  await docker.docker(["system", "prune", "--all", "--force"]);
  const at = join(varve.folder, name.replaceAll(/\W/g, "-"));
  await writeFile(`${at}.Dockerfile`, `FROM ${name}\n`);
  await buildx("--pull", "-f", `${at}.Dockerfile`, "-o", `type=tar,dest=${at}.tar`, await varve.files("empty", {}));
  return describeTree(await untar(`${at}.tar`, at));
}

for (const compression of ["gzip", "zstd", "uncompressed"]) {
  test(`BuildKit's ${compression} layers and Varve's are the same tree to both`, { skip }, async () => {
    const [theirs, ours] = ["buildkit", "varve"].map((by) => `${registry.host}/${by}/rich:${compression}`) as [
      string,
      string,
    ];
    await buildx("-o", image(theirs, compression), context);
    await varve.build(["-o", image(ours, compression), context]);
    assert.deepEqual(await treeByVarve(theirs), await treeByBuildKit(theirs));
    assert.deepEqual(await treeByBuildKit(ours), await treeByVarve(ours));
  });
}

test("Varve's estargz layers are the same tree to BuildKit", { skip }, async () => {
  const name = `${registry.host}/varve/rich:estargz`;
  await varve.build(["-o", image(name, "estargz"), context]);
  assert.deepEqual(await treeByBuildKit(name), await treeByVarve(name));
});

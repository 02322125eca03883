import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Buildah } from "../../testing/buildah.ts";
import { type Dockerd, dockerdMissing, startDockerd } from "../../testing/dockerd.ts";
import { peersMissing } from "../../testing/peers.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { RICH_DOCKERFILE, richBase, richContext, untar } from "../../testing/rich-image.ts";
import { describeTree } from "../../testing/trees.ts";
import { Varve, sh } from "../../testing/varve.ts";

const skip = dockerdMissing() ?? registryMissing() ?? peersMissing("skopeo", "umoci", "buildah", "tar");
const stack = new AsyncDisposableStack();
let varve: Varve;
let dockerd: Dockerd;
let registry: RegistryServer;
let context: string;
let base: string;

before(async () => {
  if (skip !== undefined) return;
  varve = stack.use(await Varve.open());
  dockerd = stack.use(await startDockerd());
  registry = stack.use(await startRegistry());
  await richBase(varve);
  context = await richContext(varve);
  base = join(varve.folder, "base.tar");
  const saved = await varve.run(["save", "-o", base, "varve.test/rich-base:1"]);
  assert.equal(saved.code, 0, saved.stderr);
});
after(() => stack.disposeAsync());

/** The tree umoci makes of an image of the registry. */
async function unpacked(name: string): Promise<string[]> {
  const at = join(varve.folder, name.replaceAll(/\W/g, "-"));
  const copy = ["--insecure-policy", "copy", "-q", "--src-tls-verify=false"];
  await sh("skopeo", ...copy, `docker://${registry.host}/${name}`, `oci:${at}-layout:1`);
  await sh("umoci", "unpack", "--image", `${at}-layout:1`, `${at}-bundle`);
  return describeTree(`${at}-bundle/rootfs`);
}

/** The tree Varve makes of it, each time in a store that has nothing yet. */
async function built(name: string): Promise<string[]> {
  await using other = await Varve.open();
  const [input, file] = [`FROM ${registry.host}/${name}\n`, join(other.folder, "tree.tar")];
  await other.build(["-f", "-", "-o", `type=tar,dest=${file}`, await other.files("empty", {})], { input });
  return describeTree(await untar(file, join(other.folder, "tree")));
}

test("Docker's layers: links, capabilities, devices, names, whiteouts and replaced directories", { skip }, async () => {
  await dockerd.docker(["load", "-i", base]);
  await writeFile(join(context, "Dockerfile"), RICH_DOCKERFILE.replace(" --chmod=755", ""));
  const name = `${registry.host}/docker/rich:1`;
  await dockerd.docker(["build", "-t", name, context]);
  await dockerd.docker(["push", name]);
  const tree = await built("docker/rich:1");
  assert.ok(tree.some((line) => line.includes("security.capability")));
  assert.deepEqual(tree, await unpacked("docker/rich:1"));
});

for (const format of ["oci", "docker"]) {
  test(`buildah's layers in ${format} format: the same`, { skip }, async () => {
    const buildah = new Buildah(join(varve.folder, `buildah-${format}`));
    const container = await buildah.from(`docker-archive:${base}:varve.test/rich-base:1`);
    await buildah.run("add", container, join(context, "special.tar"), "/");
    await buildah.run("commit", "--quiet", `--format=${format}`, container, "first");
    const second = await buildah.from("first");
    const script =
      /(?<=^RUN )rm \/base\/removed[^]*?(?=\nRUN)/m.exec(RICH_DOCKERFILE)?.[0].replaceAll("\\\n", "") ?? "";
    await buildah.exec(second, "sh", "-ec", `${script} && rm /special/zeros && ln /special/one /special/five`);
    await buildah.run("commit", "--quiet", `--format=${format}`, second, "second");
    const name = `buildah/rich-${format}:1`;
    await buildah.run("push", "--quiet", "--tls-verify=false", "second", `docker://${registry.host}/${name}`);
    assert.deepEqual(await built(name), await unpacked(name));
  });
}

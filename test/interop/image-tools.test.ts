import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Buildah } from "../../testing/buildah.ts";
import { needsPeers, peersMissing } from "../../testing/peers.ts";
import {
  RICH_CONFIG,
  RICH_HEALTHCHECK,
  RICH_NAME,
  RICH_OUTPUT,
  buildRich,
  richBase,
  untar,
} from "../../testing/rich-image.ts";
import { describeTree } from "../../testing/trees.ts";
import { Varve, sh } from "../../testing/varve.ts";

const missing = peersMissing("tar");
const stack = new AsyncDisposableStack();
let varve: Varve;
/** The whole tree as Varve's own tar archive has it. */
let expected: readonly string[];

before(async () => {
  if (missing !== undefined) return;
  varve = stack.use(await Varve.open());
  await richBase(varve);
  const at = (name: string): string => join(varve.folder, name);
  await buildRich(
    varve,
    `type=oci,dest=${at("gzip.tar")}`,
    `type=oci,dest=${at("zstd.tar")},compression=zstd,force-compression=true`,
    `type=oci,dest=${at("plain.tar")},compression=uncompressed,force-compression=true`,
    `type=oci,dest=${at("docker-types.tar")},oci-mediatypes=false`,
    `type=oci,dest=${at("layout")},tar=false`,
    `type=docker,dest=${at("docker.tar")}`,
    `type=docker,dest=${at("docker-plain.tar")},compression=uncompressed,force-compression=true`,
    `type=docker,dest=${at("docker-types-docker.tar")},oci-mediatypes=false`,
    `type=tar,dest=${at("tree.tar")}`,
    `type=local,dest=${at("local")}`,
  );
  expected = describeTree(await untar(at("tree.tar"), at("tree")));
});
after(() => stack.disposeAsync());

/** What an archive's layers are, by media type, when all are the same. */
const IMAGES = [
  { name: "gzip", image: "oci-archive:gzip.tar", layers: "application/vnd.oci.image.layer.v1.tar+gzip" },
  { name: "zstd", image: "oci-archive:zstd.tar", layers: "application/vnd.oci.image.layer.v1.tar+zstd" },
  { name: "uncompressed", image: "oci-archive:plain.tar", layers: "application/vnd.oci.image.layer.v1.tar" },
  {
    name: "Docker's media types",
    image: "oci-archive:docker-types.tar",
    layers: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  },
  { name: "a layout directory", image: "oci:layout:1", layers: "application/vnd.oci.image.layer.v1.tar+gzip" },
] as const;
/** Docker's archives name no media types. */
const DOCKER_IMAGES = ["docker.tar", "docker-plain.tar", "docker-types-docker.tar"] as const;

function located(image: string): string {
  return image.replace(":", `:${varve.folder}/`);
}

interface SkopeoManifest {
  readonly digest?: string;
  readonly layers: readonly { readonly mediaType: string; readonly digest: string; readonly size: number }[];
}

for (const { name, image, layers } of IMAGES) {
  test(`skopeo reads, copies and gives back an image unchanged: ${name}`, async (t) => {
    if (!needsPeers(t, "skopeo")) return;
    const folder = join(varve.folder, `skopeo ${name}`);
    const raw = JSON.parse(await sh("skopeo", "inspect", "--raw", located(image))) as SkopeoManifest;
    assert.deepEqual(new Set(raw.layers.map(({ mediaType }) => mediaType)), new Set([layers]));
    const config = JSON.parse(await sh("skopeo", "inspect", "--config", located(image))) as { config: object };
    assert.deepEqual(config.config, { ...RICH_CONFIG, ArgsEscaped: true });
    await sh("skopeo", "--insecure-policy", "copy", "-q", "--preserve-digests", located(image), `dir:${folder}`);
    assert.deepEqual(JSON.parse(await readFile(join(folder, "manifest.json"), "utf8")), raw);
    if (layers.includes("docker")) return;
    const back = `${folder}.tar`;
    await sh(
      "skopeo",
      "--insecure-policy",
      "copy",
      "-q",
      "--preserve-digests",
      `dir:${folder}`,
      `oci-archive:${back}:back.test/it:${name.length}`,
    );
    const { stdout, stderr, code } = await varve.run(["load", "-i", back]);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, `Loaded image: back.test/it:${name.length}\n`);
  });
}

for (const form of ["true", "false"]) {
  test(`skopeo reads and copies an image with its attestations: oci-artifact=${form}`, async (t) => {
    if (!needsPeers(t, "skopeo")) return;
    const folder = await varve.context("attested", "FROM scratch\nCOPY f /f\n", { f: "f" });
    const at = join(varve.folder, `attested-${form}`);
    await varve.build(
      ["--provenance=mode=max", "--sbom=true", "-o", `type=oci,tar=false,dest=${at},oci-artifact=${form}`, folder],
      // The default generator of SBOMs cannot be pulled.
      { env: { HTTPS_PROXY: "http://127.0.0.1:1" } },
    );
    const { manifests } = JSON.parse(await sh("skopeo", "inspect", "--raw", `oci:${at}`)) as {
      manifests: { digest: string; annotations?: Record<string, string> }[];
    };
    assert.equal(manifests[1]?.annotations?.["vnd.docker.reference.digest"], manifests[0]?.digest);
    const { Architecture } = JSON.parse(await sh("skopeo", "inspect", `oci:${at}`)) as { Architecture: string };
    assert.notEqual(Architecture, "unknown");
    const copied = `${at}-copied`;
    await sh("skopeo", "--insecure-policy", "copy", "-q", "--all", "--preserve-digests", `oci:${at}`, `oci:${copied}`);
    const [index] = (
      JSON.parse(await readFile(join(copied, "index.json"), "utf8")) as { manifests: { digest: string }[] }
    ).manifests;
    const blobs = async (layout: string): Promise<string[]> => (await readdir(join(layout, "blobs/sha256"))).sort();
    assert.deepEqual(await blobs(copied), await blobs(at));
    assert.ok((await blobs(copied)).includes(index?.digest.slice("sha256:".length) ?? ""));
  });
}

for (const archive of DOCKER_IMAGES) {
  test(`skopeo reads ${archive} and copies it to an OCI layout`, async (t) => {
    if (!needsPeers(t, "skopeo")) return;
    const image = located(`docker-archive:${archive}`);
    assert.deepEqual(JSON.parse(await sh("skopeo", "list-tags", image)), { Tags: [RICH_NAME] });
    const { config } = JSON.parse(await sh("skopeo", "inspect", "--config", "--raw", image)) as { config: object };
    assert.deepEqual(config, { ...RICH_CONFIG, ArgsEscaped: true, Healthcheck: RICH_HEALTHCHECK });
    await sh("skopeo", "--insecure-policy", "copy", "-q", image, `oci:${varve.folder}/copied-${archive}:x`);
  });
}

test("umoci unpacks the tree that was built", async (t) => {
  if (!needsPeers(t, "umoci", "tar")) return;
  const bundle = join(varve.folder, "bundle");
  await sh("umoci", "unpack", "--image", `${varve.folder}/layout:1`, bundle);
  assert.deepEqual(describeTree(join(bundle, "rootfs")), expected);
  const { process } = JSON.parse(await readFile(join(bundle, "config.json"), "utf8")) as {
    process: { args: string[]; cwd: string; user: { uid: number } };
  };
  assert.deepEqual(process.args, [...RICH_CONFIG.Entrypoint, ...RICH_CONFIG.Cmd]);
  assert.deepEqual([process.cwd, process.user.uid], ["/app", 1000]);
});

test("a local export has the same tree, owned by whoever exports", async (t) => {
  if (!needsPeers(t, "tar")) return;
  const owned = expected.map((line) => line.replace(/ (\d+) \d+:\d+( |$)/, " $1 0:0$2"));
  assert.deepEqual(describeTree(join(varve.folder, "local")), owned);
});

/** A layout's path would become a name, which buildah wants in lower case. */
const ARCHIVES = IMAGES.map(({ image }) => image).filter((image) => image.startsWith("oci-archive:"));

for (const image of [...ARCHIVES, "docker-archive:docker.tar", "docker-archive:docker-plain.tar"]) {
  test(`buildah has the tree of ${image} and runs programs in it`, async (t) => {
    if (!needsPeers(t, "buildah", "tar")) return;
    const buildah = new Buildah(join(varve.folder, `buildah ${image}`));
    const container = await buildah.from(located(image));
    assert.deepEqual(describeTree(await buildah.tree(container)), expected);
    const output = await buildah.exec(container, ...RICH_CONFIG.Entrypoint, ...RICH_CONFIG.Cmd);
    assert.equal(output, RICH_OUTPUT);
  });
}

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Buildah } from "../../testing/buildah.ts";
import { peersMissing } from "../../testing/peers.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { Varve, sh } from "../../testing/varve.ts";

const skip = peersMissing("skopeo") ?? registryMissing();
const PLATFORMS = ["linux/amd64", "linux/arm64", "linux/arm/v6", "linux/arm/v7"] as const;
const stack = new AsyncDisposableStack();
let varve: Varve;
let registry: RegistryServer;
let context: string;

before(async () => {
  if (skip !== undefined) return;
  varve = stack.use(await Varve.open());
  registry = stack.use(await startRegistry());
  context = await varve.files(
    "context",
    Object.fromEntries(PLATFORMS.map((name) => [name.replaceAll("/", "-"), name])),
  );
});
after(() => stack.disposeAsync());

interface Index {
  readonly manifests: readonly { readonly platform: { os: string; architecture: string; variant?: string } }[];
}

/** The file that tells the platforms of a base apart, as a build for a platform finds it. */
async function chosen(base: string, platform: string): Promise<string> {
  const folder = join(varve.folder, `out-${base.replaceAll(/[^a-z]/g, "-")}-${platform.replaceAll("/", "-")}`);
  const input = `FROM ${base}\nCOPY --from=${base} /platform /copied\n`;
  await varve.build(["--platform", platform, "-f", "-", "-o", folder, context], { input });
  const [own, copied] = [await sh("cat", join(folder, "platform")), await sh("cat", join(folder, "copied"))];
  assert.equal(copied, own);
  return own;
}

const BY_PLATFORM = `FROM scratch AS linux-amd64
COPY linux-amd64 /platform
FROM scratch AS linux-arm64
COPY linux-arm64 /platform
FROM scratch AS linux-armv6
COPY linux-arm-v6 /platform
FROM scratch AS linux-armv7
COPY linux-arm-v7 /platform
FROM \${TARGETOS}-\${TARGETARCH}\${TARGETVARIANT}
LABEL platform=$TARGETPLATFORM
`;

test("skopeo takes each platform of an index that varve pushed; a build on it takes its own", { skip }, async () => {
  const name = `${registry.host}/varve/index:1`;
  const flags = ["--platform", PLATFORMS.join(","), "-t", name, "--push", "--provenance=false"];
  await varve.build([...flags, "-f", "-", context], { input: `ARG TARGETOS TARGETARCH TARGETVARIANT\n${BY_PLATFORM}` });
  const raw = JSON.parse(await sh("skopeo", "inspect", "--raw", "--tls-verify=false", `docker://${name}`)) as Index;
  const named = raw.manifests.map(({ platform: { os, architecture, variant } }) =>
    [os, architecture, ...(variant === undefined ? [] : [variant])].join("/"),
  );
  assert.deepEqual(named, PLATFORMS);
  for (const [os, arch, variant] of PLATFORMS.map((platform) => platform.split("/"))) {
    const overrides = [`--override-os=${os}`, `--override-arch=${arch}`];
    if (variant !== undefined) overrides.push(`--override-variant=${variant}`);
    const config = await sh("skopeo", ...overrides, "inspect", "--config", "--tls-verify=false", `docker://${name}`);
    assert.equal((JSON.parse(config) as { architecture: string }).architecture, arch);
  }
  assert.equal((await varve.run(["rmi", name])).code, 0);
  for (const platform of PLATFORMS) assert.equal(await chosen(name, platform), platform);
  assert.equal(await chosen(name, "linux/arm/v8"), "linux/arm/v7");
});

test("skopeo copies an index with all its platforms from an archive to a registry", { skip }, async () => {
  const archive = join(varve.folder, "index.tar");
  const flags = ["--platform", PLATFORMS.join(","), "-t", "index:1", "-o", `type=oci,dest=${archive}`];
  await varve.build([...flags, "-f", "-", context], { input: `ARG TARGETOS TARGETARCH TARGETVARIANT\n${BY_PLATFORM}` });
  const name = `${registry.host}/skopeo/index:1`;
  const copy = ["--insecure-policy", "copy", "--all", "--quiet", "--preserve-digests", "--dest-tls-verify=false"];
  await sh("skopeo", ...copy, `oci-archive:${archive}`, `docker://${name}`);
  for (const platform of PLATFORMS) assert.equal(await chosen(name, platform), platform);
});

test("a list of images that buildah made is a base for each of its platforms, and for no other", async (t) => {
  const reason = skip ?? peersMissing("buildah");
  if (reason !== undefined) return t.skip(reason);
  const buildah = new Buildah(varve.folder);
  const name = `${registry.host}/buildah/list:1`;
  await buildah.run("manifest", "create", "list");
  for (const platform of ["linux/arm64", "linux/amd64"]) {
    const [os, arch] = platform.split("/");
    const container = await buildah.from("scratch");
    await buildah.run("copy", container, join(context, platform.replaceAll("/", "-")), "/platform");
    await buildah.run("config", `--os=${os}`, `--arch=${arch}`, container);
    await buildah.run("commit", "--quiet", "--manifest=list", container);
  }
  await buildah.run("manifest", "push", "--all", "--quiet", "--tls-verify=false", "list", `docker://${name}`);
  assert.equal(await chosen(name, "linux/amd64"), "linux/amd64");
  assert.equal(await chosen(name, "linux/arm64"), "linux/arm64");
  const refused = await varve.tryBuild(["--platform", "linux/s390x", "-f", "-", context], { input: `FROM ${name}\n` });
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /nothing for linux\/s390x|no match for platform/);
  const pulled = await varve.run(["pull", "--all-platforms", name]);
  assert.equal(pulled.code, 0, pulled.stderr);
  assert.equal(await chosen(name, "linux/arm64"), "linux/arm64");
});

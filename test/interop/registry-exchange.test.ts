import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Buildah } from "../../testing/buildah.ts";
import { type Dockerd, dockerdMissing, startDockerd } from "../../testing/dockerd.ts";
import { startFaultProxy } from "../../testing/fault-proxy.ts";
import { peersMissing } from "../../testing/peers.ts";
import { type RegistryServer, TEST_USER, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { Varve, busyboxImage, sh } from "../../testing/varve.ts";

const skip = dockerdMissing() ?? registryMissing() ?? peersMissing("tar");
const stack = new AsyncDisposableStack();
let varve: Varve;
let dockerd: Dockerd;
let registry: RegistryServer;
/** A tree with busybox, as an archive for `docker import` and `ADD`. */
let rootfs: string;
let empty: string;

before(async () => {
  if (skip !== undefined) return;
  varve = stack.use(await Varve.open());
  dockerd = stack.use(await startDockerd());
  registry = stack.use(await startRegistry());
  rootfs = join(varve.folder, "rootfs.tar");
  await varve.build(["-o", `type=tar,dest=${rootfs}`, "-"], { input: `FROM ${await busyboxImage(varve)}\n` });
  await dockerd.docker(["import", rootfs, "imported:1"]);
  empty = await varve.files("empty", {});
});
after(() => stack.disposeAsync());

const CLASSIC = `RUN echo one > /one && mkdir -p /dir/old && echo two > /dir/old/two && rm /etc/group
RUN rm -r /dir && mkdir /dir && ln /one /dir/one && chmod 4755 /one
ENV FROM_BASE="base value"
WORKDIR /work
USER 1:1
CMD ["cat", "/one"]
`;
const CHECKED = `USER root
RUN test ! -e /etc/group && test ! -e /dir/old && test "$(stat -c %h:%a /one)" = 2:4755 && test "$(pwd)" = /work \\
 && echo "$FROM_BASE" > /three
CMD ["cat", "/dir/one", "/three"]
`;
const OUTPUT = "one\nbase value\n";

/** Builds on an image of the registry, pushes the result, and has Docker pull and run it. */
async function buildPushRun(base: string, name: string): Promise<void> {
  const target = `${registry.host}/${name}`;
  await varve.build(["-t", target, "--push", "-f", "-", empty], { input: `FROM ${registry.host}/${base}\n${CHECKED}` });
  await dockerd.docker(["pull", target]);
  assert.equal(await dockerd.docker(["run", "--rm", "--network=none", target]), OUTPUT);
}

test("an image that Docker's own builder made and pushed is a base", { skip }, async () => {
  const name = `${registry.host}/docker/classic:1`;
  await dockerd.docker(["build", "-t", name, "-"], { input: `FROM imported:1\n${CLASSIC}` });
  await dockerd.docker(["push", name]);
  await buildPushRun("docker/classic:1", "varve/on-docker:1");
});

test("an image that Docker's own builder made from scratch is a base", { skip }, async () => {
  const name = `${registry.host}/docker/scratch:1`;
  const context = join(varve.folder, "scratch");
  await mkdir(context);
  await sh("cp", rootfs, join(context, "rootfs.tar"));
  await writeFile(join(context, "Dockerfile"), `FROM scratch\nADD rootfs.tar /\n${CLASSIC}`);
  await dockerd.docker(["build", "-t", name, context]);
  await dockerd.docker(["push", name]);
  await buildPushRun("docker/scratch:1", "varve/on-scratch:1");
});

for (const compression of ["gzip", "zstd"]) {
  test(`an image that buildah made and pushed with ${compression} is a base`, async (t) => {
    const reason = skip ?? peersMissing("buildah");
    if (reason !== undefined) return t.skip(reason);
    const buildah = new Buildah(join(varve.folder, `buildah-${compression}`));
    const container = await buildah.from("scratch");
    await buildah.run("add", container, rootfs, "/");
    await buildah.run("run", "--isolation=chroot", container, "--", "sh", "-c", "echo one > /one; rm /etc/group");
    await buildah.run(
      "run",
      "--isolation=chroot",
      container,
      "--",
      "sh",
      "-c",
      "mkdir /dir; ln /one /dir/one; chmod 4755 /one",
    );
    await buildah.run("config", "--env=FROM_BASE=base value", "--workingdir=/work", "--user=1:1", container);
    await buildah.run("commit", "--quiet", "--format=oci", container, "made");
    const target = `${registry.host}/buildah/${compression}:1`;
    await buildah.run(
      "push",
      "--tls-verify=false",
      "--quiet",
      `--compression-format=${compression}`,
      "made",
      `docker://${target}`,
    );
    if (compression === "gzip") return await buildPushRun(`buildah/${compression}:1`, "varve/on-buildah:1");
    // Docker 20.10 reads no zstd, so that buildah runs what was built on it.
    const name = `${registry.host}/varve/on-zstd:1`;
    await varve.build(["-t", name, "--push", "-f", "-", empty], { input: `FROM ${target}\n${CHECKED}` });
    const again = await buildah.from(`docker://${name}`, "--tls-verify=false");
    assert.equal(await buildah.exec(again, "cat", "/dir/one", "/three"), OUTPUT);
  });
}

test("what varve builds from an image it pulled, and saves, Docker loads and runs", { skip }, async () => {
  const name = `${registry.host}/docker/pulled:1`;
  await dockerd.docker(["build", "-t", name, "-"], { input: `FROM imported:1\n${CLASSIC}` });
  await dockerd.docker(["push", name]);
  await dockerd.docker(["image", "rm", name]);
  await using other = await Varve.open();
  const pulled = await other.run(["pull", name]);
  assert.equal(pulled.code, 0, pulled.stderr);
  const file = join(other.folder, "pulled.tar");
  const saved = await other.run(["save", "-o", file, name]);
  assert.equal(saved.code, 0, saved.stderr);
  assert.equal(await dockerd.docker(["load", "-i", file]), `Loaded image: ${name}\n`);
  assert.equal(await dockerd.docker(["run", "--rm", "--network=none", name]), "one\n");
});

test("zstd and Docker's media types can be asked for when pushing", { skip }, async () => {
  const at = (name: string): string => `${registry.host}/varve/${name}`;
  const base = await busyboxImage(varve);
  const outputs = [
    `type=registry,"name=${at("types:1")}",oci-mediatypes=false`,
    `type=image,"name=${at("zstd:1")}",push=true,compression=zstd,force-compression=true`,
  ];
  const flags = outputs.flatMap((output) => ["-o", output]);
  await varve.build(["-f", "-", ...flags, empty], {
    input: `FROM ${base}\nRUN echo typed > /typed\nCMD ["cat", "/typed"]\n`,
  });
  await dockerd.docker(["pull", at("types:1")]);
  assert.equal(await dockerd.docker(["run", "--rm", "--network=none", at("types:1")]), "typed\n");
  const raw = await fetch(`${registry.url}/v2/varve/zstd/manifests/1`, {
    headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
  });
  const manifest = (await raw.json()) as { layers: { mediaType: string }[] };
  assert.ok(manifest.layers.every(({ mediaType }) => mediaType.endsWith("+zstd")));
});

test(
  "the layers of a base in the same registry are mounted, and not even downloaded where no step needs them",
  { skip },
  async () => {
    const name = `${registry.host}/docker/mounted:1`;
    await dockerd.docker(["build", "-t", name, "-"], { input: `FROM imported:1\n${CLASSIC}` });
    await dockerd.docker(["push", name]);
    await using proxy = await startFaultProxy({ upstream: registry.host });
    await using other = await Varve.open();
    const context = await other.files("context", { file: "new\n" });
    const target = `${proxy.host}/varve/mounted:1`;
    const input = `FROM ${proxy.host}/docker/mounted:1\nCOPY --link file /file\nCMD ["cat", "/one", "/file"]\n`;
    const output = `type=image,"name=${target}",push=true,store=false`;
    await other.build(["-t", target, "-f", "-", "--provenance=false", "-o", output, context], { input });
    const of = (method: string, pattern: RegExp): string[] =>
      proxy.requests.filter((request) => request.method === method && pattern.test(request.url)).map(({ url }) => url);
    const mounts = of("POST", /^\/v2\/varve\/mounted\/blobs\/uploads\/\?.*mount=sha256.*from=docker%2Fmounted/);
    assert.equal(new Set(mounts).size, 4, "the base's layers: the import, two RUN, WORKDIR");
    assert.equal(of("PUT", /\/blobs\/uploads\//).length, 2, "the new layer and the config");
    assert.equal(of("GET", /\/v2\/docker\/mounted\/blobs\//).length, 1, "the base's config");
    const pulled = `${registry.host}/varve/mounted:1`;
    await dockerd.docker(["pull", pulled]);
    assert.equal(await dockerd.docker(["run", "--rm", "--network=none", pulled]), "one\nnew\n");
  },
);

test(
  "the layers of a base in another registry are carried over, and come again after all was pruned",
  { skip },
  async () => {
    const name = `${registry.host}/docker/carried:1`;
    await dockerd.docker(["build", "-t", name, "-"], { input: `FROM imported:1\n${CLASSIC}` });
    await dockerd.docker(["push", name]);
    await using elsewhere = await startRegistry();
    await using other = await Varve.open();
    const context = await other.files("context", { file: "new\n" });
    const input = `FROM ${name}\nCOPY file /file\nCMD ["cat", "/one", "/file"]\n`;
    for (const tag of ["first", "second"]) {
      const target = `${elsewhere.host}/varve/carried:${tag}`;
      await other.build(["-t", target, "--push", "-f", "-", context], { input });
      await dockerd.docker(["pull", target]);
      assert.equal(await dockerd.docker(["run", "--rm", "--network=none", target]), "one\nnew\n");
      await dockerd.docker(["image", "rm", target]);
      assert.equal((await other.run(["rmi", target])).code, 0);
      const pruned = await other.run(["prune", "--all", "--force"]);
      assert.equal(pruned.code, 0, pruned.stderr);
    }
  },
);

test("a registry that asks for a password gets the one Docker's configuration has", { skip }, async () => {
  await using guarded = await startRegistry({ auth: "htpasswd" });
  const { username, password } = TEST_USER;
  await dockerd.docker(["login", "-u", username, "--password-stdin", guarded.host], { input: password });
  const base = `${guarded.host}/docker/base:1`;
  await dockerd.docker(["build", "-t", base, "-"], { input: `FROM imported:1\n${CLASSIC}` });
  await dockerd.docker(["push", base]);
  await using other = await Varve.open();
  const target = `${guarded.host}/varve/app:1`;
  const input = `FROM ${base}\n${CHECKED}`;
  const context = await other.files("context", {});
  const refused = await other.tryBuild(["-t", target, "--push", "-f", "-", context], { input });
  assert.equal(refused.code, 4, refused.stderr);
  const env = { DOCKER_CONFIG: join(dockerd.folder, "config") };
  await other.build(["-t", target, "--push", "-f", "-", context], { input, env });
  await dockerd.docker(["pull", target]);
  assert.equal(await dockerd.docker(["run", "--rm", "--network=none", target]), OUTPUT);
  await dockerd.docker(["logout", guarded.host]);
});

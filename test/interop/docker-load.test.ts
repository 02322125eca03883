import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Dockerd, dockerdMissing, startDockerd } from "../../testing/dockerd.ts";
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
import { Varve, busyboxImage } from "../../testing/varve.ts";

const skip = dockerdMissing();
const stack = new AsyncDisposableStack();
let varve: Varve;
let dockerd: Dockerd;

before(async () => {
  if (skip !== undefined) return;
  varve = stack.use(await Varve.open());
  dockerd = stack.use(await startDockerd());
  await richBase(varve);
  const at = (name: string): string => join(varve.folder, name);
  await buildRich(
    varve,
    `type=docker,dest=${at("gzip.tar")}`,
    `type=docker,dest=${at("plain.tar")},compression=uncompressed,force-compression=true`,
    `type=docker,dest=${at("docker-types.tar")},oci-mediatypes=false`,
    `type=tar,dest=${at("tree.tar")}`,
  );
});
after(() => stack.disposeAsync());

/** Directories of the image itself: Docker has its own say in /dev, /etc and the root. */
const OWN = ["app", "base", "special"];

async function treeOf(archive: string): Promise<string[]> {
  const folder = await untar(archive, `${archive}.d`);
  return OWN.flatMap((name) => [`[${name}]`, ...describeTree(join(folder, name))]);
}

async function removeImage(): Promise<void> {
  await dockerd.docker(["image", "rm", "--force", RICH_NAME]);
}

for (const archive of ["gzip.tar", "plain.tar", "docker-types.tar"]) {
  test(`docker load takes ${archive}, and the container has its files and says what it should`, { skip }, async () => {
    const loaded = await dockerd.docker(["load", "-i", join(varve.folder, archive)]);
    assert.equal(loaded, `Loaded image: ${RICH_NAME}\n`);
    assert.equal(await dockerd.docker(["run", "--rm", "--network=none", RICH_NAME]), RICH_OUTPUT);
    const [image] = JSON.parse(await dockerd.docker(["image", "inspect", RICH_NAME])) as [{ Config: object }];
    assert.partialDeepStrictEqual(image.Config, { ...RICH_CONFIG, Healthcheck: RICH_HEALTHCHECK });
    const container = (await dockerd.docker(["create", RICH_NAME])).trim();
    const exported = join(varve.folder, `exported-${archive}`);
    await dockerd.docker(["export", "-o", exported, container]);
    await dockerd.docker(["rm", container]);
    assert.deepEqual(await treeOf(exported), await treeOf(join(varve.folder, "tree.tar")));
    await removeImage();
  });
}

test("docker load takes what varve save writes, several images and names at once", { skip }, async () => {
  const busybox = await busyboxImage(varve);
  assert.equal((await varve.run(["tag", busybox, "registry.test:5000/team/busybox:2"])).code, 0);
  const file = join(varve.folder, "saved.tar");
  const saved = await varve.run(["save", "-o", file, busybox, RICH_NAME, "registry.test:5000/team/busybox:2"]);
  assert.equal(saved.code, 0, saved.stderr);
  const loaded = (await dockerd.docker(["load", "-i", file])).trim().split("\n");
  assert.deepEqual(
    loaded.toSorted(),
    [busybox, RICH_NAME, "registry.test:5000/team/busybox:2"].map((name) => `Loaded image: ${name}`).toSorted(),
  );
  assert.equal(await dockerd.docker(["run", "--rm", "--network=none", RICH_NAME]), RICH_OUTPUT);
  await removeImage();
});

test("varve load takes what docker save writes; it is a base to build on", { skip }, async () => {
  const context = join(varve.folder, "classic");
  await mkdir(context, { recursive: true });
  const dockerfile = `FROM varve.test/busybox:1
RUN echo classic > /classic && rm /etc/group && ln /classic /linked
ENV CLASSIC=yes
ONBUILD RUN echo triggered > /tmp/triggered
USER 1:1
CMD ["cat", "/classic"]
`;
  await dockerd.docker(["build", "-t", "docker.test/classic:1", "-"], { input: dockerfile });
  await dockerd.docker(["tag", "docker.test/classic:1", "docker.test/other:2"]);
  const file = join(varve.folder, "from-docker.tar");
  await dockerd.docker(["save", "-o", file, "docker.test/classic:1", "docker.test/other:2"]);
  const loaded = await varve.run(["load", "-i", file]);
  assert.equal(loaded.code, 0, loaded.stderr);
  assert.deepEqual(loaded.stdout.trim().split("\n").toSorted(), [
    "Loaded image: docker.test/classic:1",
    "Loaded image: docker.test/other:2",
  ]);
  const input = `FROM docker.test/classic:1
USER root
RUN test -e /tmp/triggered && test ! -e /etc/group && test "$CLASSIC" = yes && cat /classic /linked > /both
USER 1:1
CMD ["cat", "/both"]
`;
  const archive = join(varve.folder, "again.tar");
  await varve.build(["-t", "again:1", "-f", "-", "-o", `type=docker,dest=${archive}`, context], { input });
  await dockerd.docker(["load", "-i", archive]);
  assert.equal(await dockerd.docker(["run", "--rm", "--network=none", "again:1"]), "classic\nclassic\n");
});

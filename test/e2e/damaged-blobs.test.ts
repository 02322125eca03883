import assert from "node:assert/strict";
import { createReadStream, readdirSync } from "node:fs";
import { copyFile, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type BuildFixture, buildFixture } from "../../testing/builds.ts";
import { flipBit } from "../../testing/contracts/content-damage.ts";
import { type DockerServer, startDockerServer } from "../../testing/docker-server.ts";
import { noise } from "../../testing/images.ts";
import { recordsMissing } from "../../testing/records.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { Varve, buildsUnavailable } from "../../testing/varve.ts";
import type { OutputSpec, Store } from "../../src/engine/index.ts";
import { loadImages, pullImage, pushImage, removeImage, saveImagesTo } from "../../src/images/index.ts";
import { verifyStore } from "../../src/doctor/index.ts";
import { type Digest, digestOf, isDigest, isVarveError } from "../../src/core/index.ts";

const skip = buildsUnavailable() ?? registryMissing() ?? recordsMissing() ?? false;
const SIZE = 1_500_000;
const NOWHERE: readonly OutputSpec[] = [{ type: "cacheonly" }];
const stack = new AsyncDisposableStack();
let registry: RegistryServer;
let base: string;
let text: string;

/** The largest blob of a store: the layer with `big`. */
async function largestBlob({ root }: Store): Promise<{ readonly digest: Digest; readonly path: string }> {
  const folder = join(root, "content/blobs/sha256");
  const sizes = readdirSync(folder).map(async (name) => ({ name, size: (await stat(join(folder, name))).size }));
  const [largest] = (await Promise.all(sizes)).sort((a, b) => b.size - a.size);
  const digest = `sha256:${largest?.name}`;
  assert.ok(isDigest(digest) && largest !== undefined && largest.size > SIZE / 2);
  return { digest, path: join(folder, largest.name) };
}

async function damage(store: Store): Promise<Digest> {
  const { digest, path } = await largestBlob(store);
  flipBit(path, SIZE / 2);
  return digest;
}

/** All blobs of a store are what they should be, and this one is among them. */
async function assertWhole(store: Store, digest: Digest): Promise<void> {
  assert.deepEqual((await store.content.verify()).damaged, []);
  assert.ok(store.content.info(digest) !== undefined);
}

/** An archive has every blob of its image, each under its name: otherwise loading it fails. */
async function assertArchive(path: string, digest: Digest): Promise<void> {
  await using other = await buildFixture();
  assert.equal((await loadImages(other.store, createReadStream(path))).length, 1);
  assert.ok(other.store.content.info(digest) !== undefined);
}

async function assertLayout(directory: string): Promise<void> {
  const names = readdirSync(join(directory, "blobs/sha256"));
  assert.ok(names.length > 1);
  for (const name of names)
    assert.equal(digestOf(await readFile(join(directory, "blobs/sha256", name))), `sha256:${name}`);
}

async function assertInRegistry(name: string, digest: Digest): Promise<void> {
  await using other = await buildFixture();
  await pullImage(other.store, name);
  await assertWhole(other.store, digest);
}

before(async () => {
  if (skip !== false) return;
  registry = stack.use(await startRegistry());
  base = `${registry.host}/base:1`;
  text = noise(SIZE).toString("latin1");
  const fixture = stack.use(await buildFixture());
  await fixture.files("base", { Dockerfile: "FROM scratch\nCOPY --chmod=755 busybox /bin/busybox\n" });
  await copyFile("/bin/busybox", join(fixture.folder, "base/busybox"));
  await fixture.build(join(fixture.folder, "base"), { outputs: [{ type: "registry" }], tags: [base] });
});
after(() => stack.disposeAsync());

suite("a layer that was made here, and damaged since", { skip }, () => {
  type Made = BuildFixture & { readonly context: string; readonly digest: Digest };

  async function madeHere(tag = "made:1", outputs: readonly OutputSpec[] = [{ type: "image" }]): Promise<Made> {
    const fixture = await buildFixture();
    const context = await fixture.files("c", { Dockerfile: "FROM scratch\nCOPY big /big\n", big: text });
    await fixture.build(context, { tags: [tag], outputs });
    return { ...fixture, context, digest: await damage(fixture.store) };
  }
  /** As `madeHere`; the layer also has a tree, because an output needs its files. */
  async function madeWithTree(tag?: string): Promise<Made> {
    const dest = await mkdtemp(join(tmpdir(), "varve-damaged-"));
    stack.defer(() => rm(dest, { recursive: true }));
    return await madeHere(tag, [{ type: "image" }, { type: "local", dest }]);
  }
  const warned = (events: readonly { readonly kind: string }[], digest: Digest): boolean =>
    events.some((event) => event.kind === "warning" && JSON.stringify(event).includes(digest));

  for (const type of ["oci", "docker"] as const)
    test(`is made again for an archive of type ${type}`, async () => {
      await using fixture = await madeHere();
      const dest = join(fixture.folder, "out.tar");
      const { events } = await fixture.build(fixture.context, { outputs: [{ type, dest }], tags: ["made:1"] });
      await assertArchive(dest, fixture.digest);
      await assertWhole(fixture.store, fixture.digest);
      assert.ok(warned(events, fixture.digest));
      const [set] = await fixture.store.content.quarantined();
      assert.equal(set?.digest, fixture.digest);
    });

  test("is made again for a layout, also where the layout has it damaged", async () => {
    await using fixture = await madeHere();
    const dest = join(fixture.folder, "layout");
    const outputs: OutputSpec[] = [{ type: "oci", dest, attrs: { tar: "false" } }];
    for (let round = 0; round < 2; round += 1) {
      await fixture.build(fixture.context, { outputs });
      await assertLayout(dest);
      flipBit(join(dest, "blobs/sha256", fixture.digest.slice(7)), 100);
    }
  });

  test("is made again for a registry", async () => {
    await using fixture = await madeHere();
    const name = `${registry.host}/pushed:1`;
    await fixture.build(fixture.context, { outputs: [{ type: "registry" }], tags: [name] });
    await assertInRegistry(name, fixture.digest);
  });

  test("is made again for caches in a registry and in a directory, also where the directory has it damaged", async () => {
    await using fixture = await madeWithTree();
    const dest = join(fixture.folder, "cache");
    const reference = { type: "registry", attrs: { ref: `${registry.host}/cache:1`, mode: "max" } };
    await fixture.build(fixture.context, { outputs: NOWHERE, cacheTo: [reference] });
    await assertWhole(fixture.store, fixture.digest);
    for (let round = 0; round < 2; round += 1) {
      await damage(fixture.store);
      await fixture.build(fixture.context, {
        outputs: NOWHERE,
        cacheTo: [{ type: "local", attrs: { dest, mode: "max" } }],
      });
      await assertLayout(dest);
      flipBit(join(dest, "blobs/sha256", fixture.digest.slice(7)), 100);
    }
    await using other = await buildFixture();
    const outputs: OutputSpec[] = [{ type: "local", dest: join(other.folder, "out") }];
    const again = await other.build(fixture.context, { cacheFrom: [reference], outputs });
    assert.deepEqual(again.steps.map(({ status }) => status).includes("run"), false);
    assert.equal(await readFile(join(other.folder, "out/big"), "utf8"), text);
  });

  test("is made again for an image that is saved or pushed", async () => {
    const name = `${registry.host}/saved:1`;
    await using fixture = await madeWithTree(name);
    const dest = join(fixture.folder, "out.tar");
    await saveImagesTo(dest, fixture.store, [name]);
    await assertArchive(dest, fixture.digest);
    await damage(fixture.store);
    await pushImage(fixture.store, name);
    await assertInRegistry(name, fixture.digest);
  });

  test("is written anew by a build without the cache", async () => {
    await using fixture = await madeHere();
    const name = `${registry.host}/anew:1`;
    await fixture.build(fixture.context, { noCache: true, outputs: [{ type: "registry" }], tags: [name] });
    await assertInRegistry(name, fixture.digest);
  });

  test("is made by its step where its tree is gone too", async () => {
    await using fixture = await madeHere();
    const trees = join(fixture.store.root, "snapshots");
    for (const name of readdirSync(trees).filter((each) => /^\d+$/.test(each)))
      await rm(join(trees, name), { recursive: true });
    const dest = join(fixture.folder, "out.tar");
    await fixture.build(fixture.context, { outputs: [{ type: "oci", dest }] });
    await assertArchive(dest, fixture.digest);
  });

  test("a stream ends before its end, and the next one is whole", async () => {
    await using server: DockerServer = await startDockerServer();
    await using fixture = await buildFixture();
    const context = await fixture.files("c", { Dockerfile: "FROM scratch\nCOPY big /big\n", big: text });
    const dest = join(fixture.folder, "a.tar");
    await fixture.build(context, { outputs: [{ type: "docker", dest }], tags: ["streamed:1"] });
    assert.equal((await server.ask("POST", "/images/load", { body: await readFile(dest) })).status, 200);
    const digest = await damage(server.store);
    await assert.rejects(server.ask("GET", "/images/get?names=streamed:1"), /aborted|ECONNRESET|hang up/);
    const refused = await server.ask("GET", "/images/get?names=streamed:1");
    assert.equal(refused.status, 500);
    assert.match(refused.text, new RegExp(`streamed:1.*${digest}`));
    await server.ask("POST", "/images/load", { body: await readFile(dest) });
    assert.equal((await server.ask("GET", "/images/get?names=streamed:1")).status, 200);
  });
});

suite("a base image that was damaged since it was pulled", { skip }, () => {
  const STEP = (from: string): string => `FROM ${from}\nRUN --network=none ["/bin/busybox", "true"]\n`;

  async function pulled(): Promise<BuildFixture & { readonly digest: Digest; readonly context: string }> {
    const fixture = await buildFixture();
    await pullImage(fixture.store, base);
    const context = await fixture.files("c", { Dockerfile: STEP(base) });
    return { ...fixture, context, digest: await damage(fixture.store) };
  }

  test("is fetched again when a step unpacks it, wherever the damage is", async () => {
    for (const at of [0, 300, SIZE / 3]) {
      await using fixture = await buildFixture();
      await pullImage(fixture.store, base);
      const { digest, path } = await largestBlob(fixture.store);
      flipBit(path, at);
      const context = await fixture.files("c", { Dockerfile: STEP(base) });
      await fixture.build(context, { outputs: NOWHERE });
      await assertWhole(fixture.store, digest);
    }
  });

  test("is fetched again by pull, by build --pull, and by a pull after its name was removed", async () => {
    const ways: readonly ((fixture: BuildFixture & { readonly context: string }) => Promise<unknown>)[] = [
      ({ store }) => pullImage(store, base),
      (fixture) => fixture.build(fixture.context, { pull: true, outputs: NOWHERE }),
      async ({ store }) => {
        await removeImage(store, base);
        await pullImage(store, base);
      },
    ];
    for (const mend of ways) {
      await using fixture = await pulled();
      await mend(fixture);
      await assertWhole(fixture.store, fixture.digest);
    }
  });

  test("is fetched again when what stands on it is exported", async () => {
    await using fixture = await pulled();
    await pullImage(fixture.store, base);
    await fixture.build(fixture.context, { outputs: NOWHERE });
    const digest = await damage(fixture.store);
    const dest = join(fixture.folder, "out.tar");
    await fixture.build(fixture.context, { outputs: [{ type: "oci", dest }] });
    await assertArchive(dest, digest);
    await damage(fixture.store);
    await saveImagesTo(dest, fixture.store, [base]);
    await assertArchive(dest, digest);
  });

  test("its manifest and its config too", async () => {
    await using fixture = await pulled();
    await pullImage(fixture.store, base);
    const { digest } = fixture.store.images.get(base)?.descriptor ?? {};
    const config = JSON.parse(await readFile(fixture.store.content.path(digest as Digest), "utf8")) as {
      config: { digest: Digest };
    };
    for (const each of [digest as Digest, config.config.digest]) {
      for (const mend of [
        () => fixture.build(fixture.context, { outputs: NOWHERE }),
        () => pullImage(fixture.store, base),
        () => saveImagesTo(join(fixture.folder, "out.tar"), fixture.store, [base]),
      ]) {
        flipBit(fixture.store.content.path(each), 10);
        await mend();
        await assertWhole(fixture.store, each);
      }
    }
  });

  test("its index too, without what was not wanted of it", async () => {
    await using from = await buildFixture();
    const name = `${registry.host}/several:1`;
    const context = await from.files("c", {
      Dockerfile: "FROM scratch\nARG TARGETARCH\nCOPY ${TARGETARCH} /f\n",
      amd64: "a",
      arm64: "b",
    });
    const platforms = ["amd64", "arm64"].map((architecture) => ({ os: "linux", architecture }));
    await from.build(context, { platforms, outputs: [{ type: "registry" }], tags: [name] });
    await using fixture = await buildFixture();
    const { descriptor } = await pullImage(fixture.store, name, { platform: { os: "linux", architecture: "amd64" } });
    const before = [...fixture.store.content.walk()].map(({ digest }) => digest);
    flipBit(fixture.store.content.path(descriptor.digest), 10);
    await saveImagesTo(join(fixture.folder, "out.tar"), fixture.store, [name]);
    assert.deepEqual(
      [...fixture.store.content.walk()].map(({ digest }) => digest),
      before,
    );
    assert.equal(before.length, 4);
  });
});

suite("an image that is to be had nowhere else", { skip }, () => {
  async function loaded(): Promise<BuildFixture & { readonly archive: string; readonly digest: Digest }> {
    const fixture = await buildFixture();
    const archive = join(fixture.folder, "image.tar");
    {
      await using from = await buildFixture();
      await pullImage(from.store, base);
      await from.build(await from.files("c", { Dockerfile: `FROM ${base}\nLABEL a=b\n` }), {
        outputs: [{ type: "docker", dest: archive }],
        tags: ["only.test/here:1"],
      });
    }
    await loadImages(fixture.store, createReadStream(archive));
    return { ...fixture, archive, digest: await damage(fixture.store) };
  }

  test("fails with its name and the blob's, and is mended by being loaded again", async () => {
    await using fixture = await loaded();
    const dest = join(fixture.folder, "out.tar");
    const saved = saveImagesTo(dest, fixture.store, ["only.test/here:1"]);
    await assert.rejects(saved, (error) => {
      assert.ok(isVarveError(error, "storage"));
      assert.match(error.message, new RegExp(`only.test/here:1.*${fixture.digest}`));
      assert.match(error.hint ?? "", /load/);
      return true;
    });
    assert.deepEqual(
      readdirSync(fixture.folder).filter((name) => name.includes("out.tar")),
      [],
    );
    const report = await verifyStore(fixture.store);
    assert.deepEqual(
      [report.ready, report.lost.map(({ digest, images }) => [digest, images])],
      [false, [[fixture.digest, ["only.test/here:1"]]]],
    );
    const context = await fixture.files("c", { Dockerfile: 'FROM only.test/here:1\nRUN ["/bin/busybox", "true"]\n' });
    await assert.rejects(fixture.build(context, { outputs: NOWHERE }), (error) => {
      assert.ok(isVarveError(error));
      assert.match(error.message, new RegExp(`${fixture.digest}.*only.test/here:1`));
      return true;
    });
    await loadImages(fixture.store, createReadStream(fixture.archive));
    assert.equal((await verifyStore(fixture.store)).ready, true);
    await damage(fixture.store);
    await loadImages(fixture.store, createReadStream(fixture.archive));
    await assertWhole(fixture.store, fixture.digest);
    await fixture.build(context, { outputs: NOWHERE });
  });

  test("varve doctor --verify finds it, says what it belongs to, and prune --all removes what was set aside", async () => {
    await using fixture = await loaded();
    await using varve = await Varve.open();
    const env = { VARVE_ROOT: fixture.store.root };
    const found = await varve.run(["doctor", "--verify"], { env });
    assert.equal(found.code, 5, found.stderr);
    for (const part of [fixture.digest, "wrong-digest", "images: only.test/here:1", "To fix: Build, load or pull"])
      assert.ok(found.stdout.includes(part), found.stdout);
    assert.match(found.stderr, /verifying the store/);
    const json = await varve.run(["doctor", "--verify", "--format", "json"], { env });
    assert.equal(json.code, 5);
    const { ready, lost } = JSON.parse(json.stdout) as { ready: boolean; lost: { digest: string; state: string }[] };
    assert.deepEqual([ready, lost.map(({ digest, state }) => [digest, state])], [false, [[fixture.digest, "missing"]]]);
    assert.match((await varve.run(["du"], { env })).stdout, /Quarantined:\t1\.\d+MB/);
    await loadImages(fixture.store, createReadStream(fixture.archive));
    const whole = await varve.run(["doctor", "--verify"], { env });
    assert.equal(whole.code, 0, whole.stdout);
    assert.match((await varve.run(["prune", "--all"], { env })).stdout, /Total:\t\d\.\d+MB/);
    assert.deepEqual(await fixture.store.content.quarantined(), []);
  });
});

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { cp, readFile, readdir, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { CacheFixture, type CachedBuild, SMALL_STEPS, hasty } from "../../testing/cache-fixture.ts";
import { type FaultProxy, startFaultProxy } from "../../testing/fault-proxy.ts";
import { type MadeManifest, blobPath, readManifest } from "../../testing/made.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { buildsUnavailable, sh } from "../../testing/varve.ts";
import { type Digest, digestOf, parseReference } from "../../src/core/index.ts";
import { openStore } from "../../src/engine/index.ts";
import { Registry } from "../../src/registry/index.ts";

const skip = buildsUnavailable() ?? registryMissing() ?? false;
const stack = new AsyncDisposableStack();
let server: RegistryServer;
let proxy: FaultProxy;
let fixture: CacheFixture;
/** An OCI layout with the cache of a build, never changed. */
let layout: string;
let copies = 0;
const digests = new Map<string, string | undefined>();
/** The layer of the last step. */
let topLayer: Digest;

before(async () => {
  if (skip !== false) return;
  server = stack.use(await startRegistry());
  proxy = stack.use(await startFaultProxy({ upstream: server.host }));
  fixture = stack.use(await CacheFixture.open());
  layout = join(fixture.folder, "layout");
  const local = { type: "local", attrs: { dest: layout, mode: "max" } };
  const remote = { type: "registry", attrs: { ref: `${proxy.host}/cache:1`, mode: "max" } };
  const made = await fixture.build({ buildArgs: { LAST: "" }, cacheTo: [local, remote] }, registry());
  digests.set("", made.result.digest);
  const at = join(fixture.folder, "image");
  await fixture.build({
    buildArgs: { LAST: "" },
    cacheFrom: fromLayout(layout),
    outputs: [{ type: "oci", dest: at, attrs: { tar: "false" } }],
  });
  topLayer = (await readManifest(at)).layers.at(-1)?.digest as Digest;
  digests.set("changed", (await fixture.build({ buildArgs: { LAST: "changed" } })).result.digest);
});
after(() => stack.disposeAsync());

const registry = () => ({ registry: hasty(proxy.host, { timeouts: {} }) });
const fromLayout = (src: string) => [{ type: "local", attrs: { src } }];
const fromRegistry = () => [{ type: "registry", attrs: { ref: `${proxy.host}/cache:1` } }];
const LOST = { kind: "status", status: 404 } as const;
const NOWHERE = [{ type: "cacheonly" }] as const;

async function copyLayout(): Promise<string> {
  const copy = join(fixture.folder, `layout-${(copies += 1)}`);
  await cp(layout, copy, { recursive: true });
  return copy;
}

/** What the tag of a layout stands for. */
async function manifestOf(directory: string): Promise<MadeManifest & { digest: string }> {
  const index = JSON.parse(await readFile(join(directory, "index.json"), "utf8")) as {
    manifests: { digest: string }[];
  };
  const digest = index.manifests[0]?.digest ?? "";
  return { ...(JSON.parse(await readFile(blobPath(directory, digest), "utf8")) as MadeManifest), digest };
}

/** Rewrites the manifest's layers, and the index with it. */
async function changeLayers(directory: string, change: (layer: Record<string, unknown>) => object): Promise<void> {
  const { digest, ...manifest } = await manifestOf(directory);
  const bytes = JSON.stringify({ ...manifest, layers: manifest.layers.map((layer) => change({ ...layer })) });
  await writeFile(blobPath(directory, digestOf(Buffer.from(bytes))), bytes);
  const index = await readFile(join(directory, "index.json"), "utf8");
  const changed = index
    .replaceAll(digest, digestOf(Buffer.from(bytes)))
    .replace(/"size":\d+/, `"size":${bytes.length}`);
  await writeFile(join(directory, "index.json"), changed);
}

/** Builds of all steps, and of one that stands on the cached ones. */
async function assertMade(
  cacheFrom: readonly { type: string; attrs: Record<string, string> }[],
): Promise<CachedBuild[]> {
  const builds = [];
  for (const LAST of ["", "changed"]) {
    const made = await fixture.build({ buildArgs: { LAST }, cacheFrom }, registry());
    assert.equal(made.result.digest, digests.get(LAST));
    builds.push(made);
  }
  return builds;
}

const DAMAGES: Readonly<Record<string, (path: string) => Promise<void>>> = {
  missing: (path) => rm(path),
  truncated: (path) => truncate(path, 30),
  longer: async (path) => writeFile(path, Buffer.concat([await readFile(path), Buffer.from("more")])),
  "other bytes": async (path) =>
    writeFile(
      path,
      (await readFile(path)).map((byte) => byte ^ 1),
    ),
  "a link to itself elsewhere": async (path) => {
    await rename(path, `${path}.elsewhere`);
    await symlink(`${path}.elsewhere`, path);
  },
  "a directory": async (path) => {
    await rm(path);
    mkdirSync(path);
  },
  "a pipe": async (path) => {
    await rm(path);
    await sh("mkfifo", path);
  },
};

suite("a cache in a directory that has lost a layer", { skip }, () => {
  for (const [name, damage] of Object.entries(DAMAGES))
    test(name, async () => {
      const { layers } = await manifestOf(layout);
      for (const { digest } of [layers[0], layers.at(-1)].flatMap((layer) => layer ?? [])) {
        const copy = await copyLayout();
        await damage(blobPath(copy, digest));
        for (const { warnings } of await assertMade(fromLayout(copy))) {
          assert.ok(warnings.length <= 1, warnings.join("\n"));
          if (warnings[0] !== undefined)
            assert.match(warnings[0], new RegExp(`${copy}.*${digest.slice(7)}|${digest.slice(7)}.*${copy}`));
        }
      }
    });

  test("at least one of all builds needed it", async () => {
    const copy = await copyLayout();
    for (const { digest } of (await manifestOf(copy)).layers) await rm(blobPath(copy, digest), { force: true });
    const [all] = await assertMade(fromLayout(copy));
    assert.ok(all !== undefined && all.warnings.length > 0 && all.hits.length === 0);
  });

  test("a size that is not the blob's, a diffID that is not the layer's", async () => {
    const wrong = digestOf(Buffer.from("another"));
    for (const change of [
      (layer: Record<string, unknown>) => ({ ...layer, size: Number(layer["size"]) + 1 }),
      (layer: Record<string, unknown>) => ({ ...layer, annotations: { "containerd.io/uncompressed": wrong } }),
    ]) {
      const copy = await copyLayout();
      await changeLayers(copy, change);
      const made = await fixture.build({ buildArgs: { LAST: "changed" }, cacheFrom: fromLayout(copy) });
      assert.equal(made.result.digest, digests.get("changed"));
      assert.ok(made.warnings.length > 0, "it was looked at");
    }
  });
});

suite("lazy hits of an earlier build", { skip }, () => {
  test("of a directory that is gone by now: the steps run, with one warning for each blob", async () => {
    const copy = await copyLayout();
    const root = fixture.newRoot();
    const first = await fixture.build(
      { buildArgs: { LAST: "" }, outputs: NOWHERE, cacheFrom: fromLayout(copy) },
      { root },
    );
    assert.equal(first.hits.length, SMALL_STEPS);
    await rm(copy, { recursive: true });
    const second = await fixture.build({ buildArgs: { LAST: "" } }, { root });
    assert.equal(second.result.digest, digests.get(""));
    assert.equal(second.hits.length, 0);
    assert.ok(second.warnings.length >= 1 && new Set(second.warnings).size === second.warnings.length);
    const third = await fixture.build({ buildArgs: { LAST: "" } }, { root });
    assert.deepEqual([third.result.digest, third.ran, third.warnings], [second.result.digest, [], []]);
  });

  test("of a registry that lost the blobs, in a build with the import and in one without", async () => {
    const { layers } = await manifestOf(layout);
    const root = fixture.newRoot();
    for (const cacheFrom of [fromRegistry(), []]) {
      const first = await fixture.build(
        { buildArgs: { LAST: "" }, outputs: NOWHERE, cacheFrom: fromRegistry() },
        { root, ...registry() },
      );
      assert.equal(first.hits.length, SMALL_STEPS);
      proxy.fault = ({ url }) => (layers.some(({ digest }) => url.includes(digest)) ? LOST : undefined);
      const second = await fixture.build({ buildArgs: { LAST: "changed" }, cacheFrom }, { root, ...registry() });
      proxy.fault = () => undefined;
      assert.equal(second.result.digest, digests.get("changed"));
      await rm(root, { recursive: true });
    }
  });

  test("of a blob that was deleted: only what needs it is made again", async () => {
    using client = new Registry(hasty(proxy.host));
    await client.deleteBlob({ registry: proxy.host, repository: "cache" }, topLayer);
    const made = await fixture.build({ buildArgs: { LAST: "" }, cacheFrom: fromRegistry() }, registry());
    assert.equal(made.result.digest, digests.get(""));
    assert.equal(made.warnings.length, 1);
    assert.equal(made.ran.length, 1, made.ran.join("\n"));
    await fixture.build(
      {
        buildArgs: { LAST: "" },
        cacheTo: [{ type: "registry", attrs: { ref: `${proxy.host}/cache:1`, mode: "max" } }],
      },
      registry(),
    );
  });
});

suite("a layer that is lost", { skip }, () => {
  test("several outputs at once are all as they should be", async () => {
    const at = join(fixture.folder, "outputs");
    for (const { digest } of (await manifestOf(layout)).layers) {
      proxy.fault = ({ url }) => (url.includes(digest) ? LOST : undefined);
      const image = { type: "image" as const, attrs: { "rewrite-timestamp": "true" } };
      const tree = { type: "local" as const, dest: at };
      const outputs = [{ type: "image" as const }, tree, image];
      const made = await fixture.build({ buildArgs: { LAST: "" }, cacheFrom: fromRegistry(), outputs }, registry());
      assert.equal(made.result.digest, digests.get(""));
      assert.ok(made.warnings.length <= 1, made.warnings.join("\n"));
      const files = new Set(await readdir(at));
      assert.ok(new Set(["bin", "copied", "four", "one", "three"]).isSubsetOf(files), [...files].join(" "));
      await rm(at, { recursive: true });
    }
    proxy.fault = () => undefined;
  });

  test("several builds at once in one root do without it together", async () => {
    for (const { digest } of (await manifestOf(layout)).layers) {
      proxy.fault = ({ url }) => (url.includes(digest) ? LOST : undefined);
      await using store = await openStore({ root: fixture.newRoot(), ...registry() });
      const made = await Promise.all(
        ["", "", "", "changed"].map(async (LAST) => {
          const how = { store, buildArgs: { LAST }, cacheFrom: fromRegistry() };
          return [(await fixture.build(how)).result.digest, digests.get(LAST)];
        }),
      );
      for (const [digest, wanted] of made) assert.equal(digest, wanted);
    }
    proxy.fault = () => undefined;
  });

  test("a cache that is exported anew goes without it, in one piece, with one warning", async () => {
    for (const [index, status] of [404, 503].entries()) {
      proxy.fault = ({ url }) => (url.includes(topLayer) ? { kind: "status", status } : undefined);
      const dest = join(fixture.folder, `again-${index}`);
      const again = {
        cacheFrom: fromRegistry(),
        cacheTo: [{ type: "local", attrs: { dest, mode: "max" } }],
        outputs: NOWHERE,
      };
      const { ran, warnings } = await fixture.build({ buildArgs: { LAST: "" }, ...again }, registry());
      assert.deepEqual([ran, warnings.length], [[], 1]);
      assert.ok(warnings[0]?.includes(topLayer));
      proxy.fault = () => undefined;
      const next = await fixture.build({ buildArgs: { LAST: "" }, cacheFrom: fromLayout(dest) });
      assert.equal(next.result.digest, digests.get(""));
      assert.deepEqual([next.ran.length, next.warnings], [1, []]);
    }
  });
});

suite("an import that hangs", { skip }, () => {
  test("is waited for as long as the build's patience, and no longer", async () => {
    for (const part of ["/manifests/", "/blobs/"])
      for (const after of [undefined, 10]) {
        proxy.fault = ({ url }) =>
          url.includes(part) ? { kind: "stall", ...(after === undefined ? {} : { after }) } : undefined;
        const made = await fixture.build(
          { buildArgs: { LAST: "" }, cacheFrom: fromRegistry(), cachePatience: 50 },
          registry(),
        );
        assert.equal(made.result.digest, digests.get(""));
        assert.equal(made.hits.length, 0);
        assert.ok(
          made.events.some(
            (event) => event.kind === "vertex" && event.name.startsWith("importing") && event.error !== undefined,
          ),
        );
      }
    proxy.fault = () => undefined;
  });
});

suite("layers of a cache that are pushed", { skip }, () => {
  const push = (host: string, name: string) => [
    { type: "image" as const, attrs: { name: `${host}/${name}`, push: "true", store: "false" } },
  ];

  test("are mounted where the registry has them, and fetched by nobody", async () => {
    const first = proxy.requests.length;
    await fixture.build(
      { buildArgs: { LAST: "" }, cacheFrom: fromRegistry(), outputs: push(proxy.host, "app:1") },
      registry(),
    );
    const seen = proxy.requests.slice(first);
    const read = seen.filter(({ method, url }) => method === "GET" && url.includes("/blobs/"));
    assert.equal(read.length, 1, "the cache's config");
    const mounts = seen.filter(
      ({ method, url }) => method === "POST" && url.includes("mount=") && url.includes("from=cache"),
    );
    const puts = seen.filter(({ method, url }) => method === "PUT" && url.includes("/blobs/"));
    assert.ok(mounts.length >= 4, `${mounts.length} mounts`);
    assert.equal(puts.length, 1, "the image's config");
  });

  test("stream to another registry, and what comes is whole", async () => {
    await using other = await startRegistry();
    const options = hasty(proxy.host, { timeouts: {} });
    const http = { [proxy.host]: { http: true }, [other.host]: { http: true } };
    const outputs = push(other.host, "app:1");
    const both = { ...options, config: { registries: http } };
    const made = await fixture.build(
      { buildArgs: { LAST: "" }, cacheFrom: fromRegistry(), outputs },
      { registry: both },
    );
    assert.deepEqual(made.ran, []);
    using client = new Registry(both);
    const reference = parseReference(`${other.host}/app:1`);
    const { bytes } = await client.manifest(reference);
    const { layers } = JSON.parse(Buffer.from(bytes).toString()) as MadeManifest;
    for (const { digest } of layers) assert.ok(await client.hasBlob(reference, digest as Digest));
  });
});

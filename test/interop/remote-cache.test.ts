import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type Dockerd, newerDocker, startDockerd } from "../../testing/dockerd.ts";
import { type FaultProxy, startFaultProxy } from "../../testing/fault-proxy.ts";
import { readManifest } from "../../testing/made.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { twentySteps } from "../../testing/twenty-steps.ts";
import { type BuildOutcome, Varve, buildsUnavailable, busyboxImage } from "../../testing/varve.ts";

const newer = newerDocker();
const skip =
  buildsUnavailable() ?? registryMissing() ?? (newer === undefined ? "no newer Docker can be had here" : undefined);
const stack = new AsyncDisposableStack();
let varve: Varve;
let docker: Dockerd;
let registry: RegistryServer;
/** What everyone reaches the registry by: it counts requests. */
let proxy: FaultProxy;
let context: string;
let base: string;

before(async () => {
  if (skip !== undefined || newer === undefined) return;
  varve = stack.use(await Varve.open());
  docker = stack.use(await startDockerd({ newer }));
  registry = stack.use(await startRegistry());
  proxy = stack.use(await startFaultProxy({ upstream: registry.host }));
  base = await busyboxImage(varve, `${proxy.host}/base:1`);
  assert.equal((await varve.run(["push", base])).code, 0);
  context = await varve.files("steps", twentySteps(base));
});
after(() => stack.disposeAsync());

/** Steps that RUN, COPY or the like, by their names; not the base image and not the context. */
const STEP = /^\[(?:(?:base|build|docs|stage-3) )?\d+\/\d+\] (?!FROM)/;
/** Twenty, of which the two linked ones are a copy and a merge each. */
const STEPS = 22;
const BUILDX = ["buildx", "build", "--progress=rawjson", "--network=none", "--provenance=false"];
const IMAGE = "type=image,name=made,oci-mediatypes=true";

/** The usual context, unless the last argument is another. */
function withContext(args: readonly string[]): readonly string[] {
  return args.at(-1)?.startsWith("/") === true ? args : [...args, context];
}

/** `docker buildx build` in a daemon that has nothing; the names of the steps that were cached, and of those that ran. */
async function byBuildKit(...args: string[]): Promise<{ cached: string[]; ran: string[] }> {
  await docker.docker(["system", "prune", "--all", "--force"]);
  const { code, stderr } = await docker.tryDocker([...BUILDX, ...withContext(args)]);
  assert.equal(code, 0, stderr);
  const vertices = new Map<string, { name: string; cached?: boolean; started?: string }>();
  for (const line of stderr.split("\n").filter((text) => text.startsWith("{"))) {
    const { vertexes = [] } = JSON.parse(line) as { vertexes?: { digest: string; name: string; cached?: boolean }[] };
    for (const vertex of vertexes) vertices.set(vertex.digest, { ...vertices.get(vertex.digest), ...vertex });
  }
  const steps = [...vertices.values()].filter(({ name }) => STEP.test(name));
  const names = (wanted: boolean): string[] =>
    steps.filter(({ cached = false }) => cached === wanted).map(({ name }) => name);
  return { cached: names(true), ran: names(false) };
}

/** `varve build` in a root that has nothing. */
async function byVarve(...args: string[]): Promise<BuildOutcome & { cached: string[]; ran: string[] }> {
  await using own = await Varve.open();
  const outcome = await own.build(["--network=none", ...withContext(args)]);
  const steps = outcome.steps.filter(({ name }) => STEP.test(name));
  const names = (status: string): string[] => steps.filter((step) => step.status === status).map(({ name }) => name);
  return { ...outcome, cached: names("hit"), ran: names("run") };
}

/** Blobs that were read since `from`, and bytes of the answers are not counted: each digest once. */
function blobsRead(from: number): Set<string> {
  const found = proxy.requests
    .slice(from)
    .filter(({ method, url }) => method === "GET" && url.includes("/blobs/sha256:"));
  return new Set(found.map(({ url }) => /sha256:[0-9a-f]{64}/.exec(url)?.[0] ?? ""));
}

/** The manifest or index of a cache. */
async function documentOf(name: string): Promise<string> {
  const types = ["image.manifest.v1", "image.index.v1"].map((type) => `application/vnd.oci.${type}+json`);
  const accept = [...types, "application/vnd.docker.distribution.manifest.list.v2+json"].join(", ");
  const response = await fetch(`http://${registry.host}/v2/cache/manifests/${name}`, { headers: { accept } });
  return await response.text();
}

function ref(name: string): string {
  return `${proxy.host}/cache:${name}`;
}

suite("a cache of a registry", { skip }, () => {
  for (const [name, attrs] of [
    ["gzip", "mode=max"],
    ["zstd", "mode=max,compression=zstd,force-compression=true"],
    ["index", "mode=max,image-manifest=false"],
    ["docker", "mode=max,oci-mediatypes=false"],
  ] as const) {
    test(`${name}: what BuildKit exports, Varve takes every step from`, async () => {
      await byBuildKit("--cache-to", `type=registry,ref=${ref(`bk-${name}`)},${attrs}`, "-o", "type=cacheonly");
      const from = proxy.requests.length;
      const { ran, cached } = await byVarve("--cache-from", ref(`bk-${name}`), "-o", "type=cacheonly");
      assert.deepEqual(ran, []);
      assert.equal(cached.length, STEPS, cached.join("\n"));
      assert.equal(blobsRead(from).size, 2, "the base image's config and the cache's");
    });

    test(`${name}: what Varve exports, with its lists of files and traced runs, BuildKit takes every step from`, async () => {
      const to = `type=registry,ref=${ref(`varve-${name}`)},${attrs}`;
      await byVarve("--traced", "--cache-to", to, "-o", "type=cacheonly");
      assert.match(await documentOf(`varve-${name}`), /application\/vnd\.varve\.cache\.notes\.v1/);
      const { ran, cached } = await byBuildKit("--cache-from", ref(`varve-${name}`), "-o", IMAGE);
      assert.deepEqual(ran, []);
      assert.equal(cached.length, STEPS, cached.join("\n"));
    });
  }

  test("only the layers of the result are fetched", async () => {
    const at = join(varve.folder, "needed");
    const from = proxy.requests.length;
    await byVarve("--cache-from", ref("bk-gzip"), "-o", `type=oci,tar=false,dest=${at}`);
    const { layers } = await readManifest(at);
    const read = blobsRead(from);
    for (const { digest } of layers) read.delete(digest);
    assert.equal(read.size, 2, "the base image's config and the cache's");
    await rm(at, { recursive: true });
  });
});

test("BuildKit builds a Dockerfile with directives, and takes its steps from Varve's cache", { skip }, async () => {
  const dockerfile = [
    `FROM ${base}`,
    "# varve: ttl=7d",
    "RUN echo one > /one",
    "# varve: cutoff why=off",
    "RUN echo two > /two",
    "# varve: never",
    "RUN echo three > /three",
  ];
  const at = await varve.files("directives", { Dockerfile: `${dockerfile.join("\n")}\n` });
  await byVarve("--cache-to", `type=registry,ref=${ref("directives")},mode=max`, "-o", "type=cacheonly", at);
  const { ran, cached } = await byBuildKit("--cache-from", ref("directives"), "-o", IMAGE, at);
  assert.deepEqual(ran, []);
  assert.equal(cached.length, 3, cached.join("\n"));
});

suite("a directory", { skip }, () => {
  for (const [name, attrs] of [
    ["gzip", "mode=max"],
    ["zstd", "mode=max,compression=zstd,force-compression=true"],
  ] as const) {
    test(`${name}: what BuildKit exports, Varve takes every step from`, async () => {
      const at = join(varve.folder, `local-bk-${name}`);
      await byBuildKit("--cache-to", `type=local,dest=${at},${attrs}`, "-o", "type=cacheonly");
      const { ran, cached } = await byVarve("--cache-from", `type=local,src=${at}`, "-o", `type=tar,dest=${at}.tar`);
      assert.deepEqual(ran, []);
      assert.equal(cached.length, STEPS);
    });

    test(`${name}: what Varve exports, BuildKit takes every step from`, async () => {
      const at = join(varve.folder, `local-varve-${name}`);
      await byVarve("--cache-to", `type=local,dest=${at},${attrs}`, "-o", "type=cacheonly");
      const { ran, cached } = await byBuildKit("--cache-from", `type=local,src=${at}`, "-o", IMAGE);
      assert.deepEqual(ran, []);
      assert.equal(cached.length, STEPS);
    });
  }
});

suite("a cache inside an image", { skip }, () => {
  const pushed = (name: string): string => `${proxy.host}/inline:${name}`;
  const push = (name: string): string => `type=image,name=${pushed(name)},push=true,oci-mediatypes=true`;

  test("what BuildKit exports, Varve takes the steps of the image from", async () => {
    await byBuildKit("--cache-to", "type=inline", "-o", push("bk"));
    const { ran } = await byVarve("--cache-from", pushed("bk"), "-o", "type=cacheonly");
    assert.deepEqual(ran, []);
  });

  test("what Varve exports, BuildKit takes the steps of the image from", async () => {
    await byVarve("--cache-to", "type=inline", "-o", push("varve"));
    const { ran } = await byBuildKit("--cache-from", pushed("varve"), "-o", IMAGE);
    assert.deepEqual(ran, []);
  });
});

suite("a whole root's cache", { skip }, () => {
  test("what Varve exports without a build, BuildKit takes every step from", async () => {
    await using own = await Varve.open();
    await own.build(["--network=none", "-o", "type=cacheonly", context]);
    const { code, stderr } = await own.run(["cache", "export", "--to", ref("whole")]);
    assert.equal(code, 0, stderr);
    const { ran, cached } = await byBuildKit("--cache-from", ref("whole"), "-o", IMAGE);
    assert.deepEqual(ran, []);
    assert.equal(cached.length, STEPS, cached.join("\n"));
  });

  test("what BuildKit exports is imported into a root: its steps are the root's own, without --cache-from", async () => {
    await byBuildKit("--cache-to", `type=registry,ref=${ref("bk-root")},mode=max`, "-o", "type=cacheonly");
    await using own = await Varve.open();
    const { code, stderr } = await own.run(["cache", "import", ref("bk-root")]);
    assert.equal(code, 0, stderr);
    const { steps } = await own.build(["--network=none", "-o", `type=tar,dest=${join(own.folder, "x")}`, context]);
    const made = steps.filter(({ name }) => STEP.test(name));
    assert.deepEqual(
      made.filter(({ cache }) => cache !== "local"),
      [],
    );
    assert.equal(made.length, STEPS);
  });
});

suite("one line changed", { skip }, () => {
  /** Steps that stand on the changed one, and no others. */
  const RAN = ["[build 3/8]", "[build 4/8]"];
  let changed: string;
  before(async () => {
    const files = twentySteps(base);
    const dockerfile = files["Dockerfile"]?.replace(
      "RUN check main.txt",
      "RUN check main.txt >/dev/null; check main.txt",
    );
    await byBuildKit("--cache-to", `type=registry,ref=${ref("unchanged")},mode=max`, "-o", "type=cacheonly");
    changed = await varve.files("changed", { ...files, Dockerfile: dockerfile ?? "" });
  });

  test("the same steps run in both, and only those", async () => {
    const from = ["--cache-from", ref("unchanged"), "-o", "type=cacheonly", changed];
    const [theirs, ours] = [await byBuildKit(...from), await byVarve(...from)];
    assert.deepEqual(new Set(ours.ran), new Set(theirs.ran));
    assert.ok(
      RAN.every((step) => ours.ran.some((name) => name.startsWith(step))),
      ours.ran.join("\n"),
    );
    assert.ok(!ours.ran.some((name) => name.startsWith("[docs") || name.startsWith("[base")), ours.ran.join("\n"));
  });
});

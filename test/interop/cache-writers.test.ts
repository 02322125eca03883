import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { CacheFixture, hasty } from "../../testing/cache-fixture.ts";
import { type Dockerd, newerDocker, startDockerd } from "../../testing/dockerd.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { Varve, buildsUnavailable } from "../../testing/varve.ts";
import { isLayerType, parsePlatform } from "../../src/core/index.ts";
import type { BuildOptions, CacheSpec } from "../../src/engine/index.ts";

const skip = buildsUnavailable() ?? registryMissing() ?? false;
const newer = newerDocker();
const noBuildKit = skip === false && newer === undefined ? "no newer Docker can be had here" : skip;
const WRITERS = 20;
/** Of them, builds by the command; the others are this process's, each in a root of its own. */
const COMMANDS = 6;
const TARGETS = Array.from({ length: WRITERS }, (_, index) => `target-${index}`);
const NOWHERE = [{ type: "cacheonly" }] as const;

const DOCKERFILE = `FROM scratch AS common
COPY bin /bin
RUN ["/bin/busybox", "mkdir", "/made"]
${TARGETS.map((target) => `FROM common AS ${target}\nRUN ["/bin/busybox", "touch", "/made/${target}"]\nCOPY one /made/\n`).join("")}
FROM scratch AS portable
ARG TARGETARCH
ARG VALUE
COPY one /one
COPY <<END /value
$TARGETARCH $VALUE
END
`;

const stack = new AsyncDisposableStack();
let server: RegistryServer;
let fixture: CacheFixture;
let docker: Dockerd | undefined;

before(async () => {
  if (skip !== false) return;
  server = stack.use(await startRegistry());
  fixture = stack.use(await CacheFixture.open(DOCKERFILE));
  if (newer !== undefined) docker = stack.use(await startDockerd({ newer }));
});
after(() => stack.disposeAsync());

const registry = () => ({ registry: hasty(server.host, { timeouts: {}, retry: {} }) });
const at = (tag: string, attrs: Readonly<Record<string, string>> = {}): CacheSpec[] => [
  { type: "registry", attrs: { ref: `${server.host}/cache:${tag}`, ...attrs } },
];

async function write(tag: string, options: Partial<BuildOptions>): Promise<void> {
  await fixture.build({ ...options, cacheTo: at(tag, { mode: "max" }), outputs: NOWHERE }, registry());
}

/** Steps that a build elsewhere has to run although it has the cache. */
async function missed(cacheFrom: CacheSpec[], options: Partial<BuildOptions>): Promise<readonly string[]> {
  return (await fixture.build({ ...options, cacheFrom, outputs: NOWHERE }, registry())).ran;
}

async function writeByCommand(target: string, to: string): Promise<void> {
  await using varve = await Varve.open();
  await varve.build(["-o", "type=cacheonly", "--network=none", "--target", target, "--cache-to", to, fixture.context]);
}

async function byBuildKit(target: string, ...args: string[]): Promise<{ ran: string[] }> {
  assert.ok(docker !== undefined);
  const options = ["--progress=rawjson", "--network=none", "--provenance=false", "-o", "type=cacheonly"];
  const build = ["buildx", "build", ...options, "--target", target, ...args, fixture.context];
  const { code, stderr } = await docker.tryDocker(build);
  assert.equal(code, 0, stderr);
  const steps = new Map<string, boolean>();
  for (const line of stderr.split("\n").filter((text) => text.startsWith("{"))) {
    const { vertexes = [] } = JSON.parse(line) as { vertexes?: { name: string; cached?: boolean }[] };
    for (const { name, cached = false } of vertexes)
      if (/\] (?:RUN|COPY) /.test(name)) steps.set(name, steps.get(name) === true || cached);
  }
  assert.ok(steps.size > 0, stderr);
  return { ran: [...steps].flatMap(([name, cached]) => (cached ? [] : [name])) };
}

suite("many writers of one reference", { skip }, () => {
  test(
    "twenty builds at once, each of its own target: afterwards every target is cached",
    { timeout: 300_000 },
    async () => {
      const to = `type=registry,ref=${server.host}/cache:many,mode=max`;
      await Promise.all(
        TARGETS.map((target, index) => (index < COMMANDS ? writeByCommand(target, to) : write("many", { target }))),
      );
      for (const target of TARGETS) assert.deepEqual(await missed(at("many"), { target }), [], target);
    },
  );

  test("and BuildKit takes every target from it too", { skip: noBuildKit, timeout: 300_000 }, async () => {
    await docker?.docker(["system", "prune", "--all", "--force"]);
    for (const target of TARGETS) {
      const { ran } = await byBuildKit(target, "--cache-from", `type=registry,ref=${server.host}/cache:many`);
      assert.deepEqual(ran, [], target);
    }
  });

  test("builds for two platforms and with two values of an argument are all kept", async () => {
    const builds = ["linux/amd64", "linux/arm64"].flatMap((platform) =>
      ["1", "2"].map((VALUE) => ({
        target: "portable",
        platforms: [parsePlatform(platform)],
        buildArgs: { VALUE },
      })),
    );
    await Promise.all(builds.map((options) => write("kinds", options)));
    for (const options of builds) assert.deepEqual(await missed(at("kinds"), options), []);
  });

  test("a build for two platforms exports both into one document", async () => {
    const platforms = [parsePlatform("linux/amd64"), parsePlatform("linux/arm64")];
    await write("platforms", { target: "portable", platforms });
    for (const platform of platforms)
      assert.deepEqual(await missed(at("platforms"), { target: "portable", platforms: [platform] }), []);
  });

  test("an image for two platforms has the caches of both", async () => {
    const platforms = [parsePlatform("linux/amd64"), parsePlatform("linux/arm64")];
    const outputs = [{ type: "image" as const, attrs: { name: `${server.host}/cache:inline`, push: "true" } }];
    await fixture.build(
      { target: "portable", platforms, outputs, cacheTo: [{ type: "inline", attrs: {} }] },
      registry(),
    );
    for (const platform of platforms)
      assert.deepEqual(await missed(at("inline"), { target: "portable", platforms: [platform] }), []);
  });

  test(
    "a writer that does not merge, as BuildKit, replaces all; what comes after it is merged",
    { skip: noBuildKit },
    async () => {
      const [ours, theirs] = ["target-0", "target-1"] as const;
      await write("mixed", { target: ours });
      await byBuildKit(theirs, "--no-cache", "--cache-to", `type=registry,ref=${server.host}/cache:mixed,mode=max`);
      assert.notDeepEqual(await missed(at("mixed"), { target: ours }), []);
      assert.deepEqual(await missed(at("mixed"), { target: theirs }), []);
      await write("mixed", { target: ours });
      for (const target of [ours, theirs]) assert.deepEqual(await missed(at("mixed"), { target }), [], target);
    },
  );
});

suite("many writers of one directory", { skip }, () => {
  test("processes and builds at once, of several targets: nothing is lost", async () => {
    const directory = join(fixture.folder, "shared");
    const to = `type=local,dest=${directory},mode=max`;
    const cacheTo = [{ type: "local", attrs: { dest: directory, mode: "max" } }];
    const targets = TARGETS.slice(0, 6);
    await Promise.all(
      targets.map(async (target, index) => {
        if (index < 3) await writeByCommand(target, to);
        else await fixture.build({ target, cacheTo, outputs: NOWHERE });
      }),
    );
    const from = [{ type: "local", attrs: { src: directory } }];
    for (const target of targets) assert.deepEqual(await missed(from, { target }), [], target);
  });
});

suite("variants of layers", { skip }, () => {
  test("an export has layers of the kind it asks for, whatever was made before in the same root", async () => {
    const root = fixture.newRoot();
    const kinds = ["gzip", "zstd", "uncompressed", "gzip"];
    for (const [index, compression] of kinds.entries()) {
      const attrs = { mode: "max", compression, "force-compression": "true" };
      await fixture.build(
        { target: "target-0", cacheTo: at(`kind-${index}`, attrs), outputs: NOWHERE },
        { root, ...registry() },
      );
      const layers = await layersAt(`kind-${index}`);
      const wanted = compression === "uncompressed" ? /\.tar$/ : new RegExp(`\\+${compression}$`);
      for (const { mediaType, annotations } of layers) {
        assert.match(mediaType, wanted);
        assert.match(annotations["containerd.io/uncompressed"] ?? "", /^sha256:/);
        assert.equal(annotations["buildkit/createdat"], undefined, "of layers that are compressed anew");
      }
    }
    assert.deepEqual(await layersAt("kind-0"), await layersAt("kind-3"));
  });

  test("an image whose times were rewritten leaves the cache's layers as they were", async () => {
    const root = fixture.newRoot();
    const build = async (tag: string, options: Partial<BuildOptions>) => {
      await fixture.build(
        { target: "target-0", cacheTo: at(tag, { mode: "max" }), ...options },
        { root, ...registry() },
      );
      return (await layersAt(tag)).map(({ digest }) => digest);
    };
    const before = await build("plain", { outputs: NOWHERE });
    assert.deepEqual(await build("rewritten", {}), before);
  });
});

interface Layer {
  readonly mediaType: string;
  readonly digest: string;
  readonly annotations: Readonly<Record<string, string>>;
}

async function layersAt(tag: string): Promise<Layer[]> {
  const headers = { accept: "application/vnd.oci.image.manifest.v1+json" };
  const answer = await fetch(`${server.url}/v2/cache/manifests/${tag}`, { headers });
  const { layers } = (await answer.json()) as { layers: Layer[] };
  const found = layers.filter(({ mediaType }) => isLayerType(mediaType));
  assert.ok(found.length > 0);
  return found;
}

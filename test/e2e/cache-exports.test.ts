import assert from "node:assert/strict";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdir, readFile, readdir } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, beforeEach, suite, test } from "node:test";
import { CacheFixture, SMALL_STEPS, hasty } from "../../testing/cache-fixture.ts";
import { type FaultProxy, type SeenRequest, startFaultProxy } from "../../testing/fault-proxy.ts";
import { gitMissing, startGitServer } from "../../testing/git-server.ts";
import { type MadeManifest, readManifest } from "../../testing/made.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { Varve, buildsUnavailable, finished, sh } from "../../testing/varve.ts";
import type { BuildEvent, BuildOptions, CacheSpec } from "../../src/engine/index.ts";
import { VarveError, isLayerType } from "../../src/core/index.ts";

const skip = buildsUnavailable() ?? registryMissing() ?? false;
const stack = new AsyncDisposableStack();
let server: RegistryServer;
let proxy: FaultProxy;
let fixture: CacheFixture;
/** A step that fails beside two that do not. */
let failing: CacheFixture;
let tags = 0;
let tag: string;

const FAILING = `FROM scratch AS base
COPY bin /bin
COPY one /one
RUN ["/bin/busybox", "cp", "/one", "/three"]
RUN ["/bin/busybox", "false"]
`;
const NOWHERE = [{ type: "cacheonly" }] as const;
const STRICT = { "ignore-error": "false" };

before(async () => {
  if (skip !== false) return;
  server = stack.use(await startRegistry());
  proxy = stack.use(await startFaultProxy({ upstream: server.host }));
  fixture = stack.use(await CacheFixture.open());
  failing = stack.use(await CacheFixture.open(FAILING));
});
after(() => stack.disposeAsync());
beforeEach(() => {
  if (skip !== false) return;
  proxy.fault = () => undefined;
  tag = `t${(tags += 1)}`;
});

const registry = () => ({ registry: hasty(proxy.host, { timeouts: {} }) });
const remote = (attrs: Readonly<Record<string, string>> = {}): CacheSpec => ({
  type: "registry",
  attrs: { ref: `${proxy.host}/cache:${tag}`, ...attrs },
});
const local = (dest: string, attrs: Readonly<Record<string, string>> = {}): CacheSpec => ({
  type: "local",
  attrs: { dest, ...attrs },
});
const isWrite = ({ method }: SeenRequest): boolean => method !== "GET" && method !== "HEAD";
const isTagWrite = (request: SeenRequest): boolean =>
  request.method === "PUT" && request.url.endsWith(`/manifests/${tag}`);
/** Blobs whose bytes were sent, once for each time. */
const uploads = (requests: readonly SeenRequest[]): string[] =>
  requests.flatMap(({ method, url }) =>
    method === "PUT" ? (/digest=(sha256(?::|%3A)[0-9a-f]{64})/.exec(url)?.[1]?.replace("%3A", ":") ?? []) : [],
  );

/** What stands at the tag now, asked past the proxy; undefined if nothing does. */
async function standing(): Promise<{ digest: string | null; config: string; layers: string[] } | undefined> {
  const accept = "application/vnd.oci.image.manifest.v1+json";
  const answer = await fetch(`${server.url}/v2/cache/manifests/${tag}`, { headers: { accept } });
  if (!answer.ok) return void (await answer.text());
  const { config, layers } = (await answer.json()) as MadeManifest;
  const digest = answer.headers.get("docker-content-digest");
  const blobs = layers.filter(({ mediaType }) => isLayerType(mediaType));
  return { digest, config: config.digest, layers: blobs.map((layer) => layer.digest) };
}

/** Those of the blobs that the registry has. */
async function present(digests: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    digests.map(async (digest) => (await fetch(`${server.url}/v2/cache/blobs/${digest}`, { method: "HEAD" })).ok),
  );
  return digests.filter((_, index) => found[index]);
}

/** Builds what fails and exports its cache; the steps that the same build takes from there in another root. */
async function takenElsewhere(options: Partial<BuildOptions>): Promise<string[]> {
  const shared = { outputs: NOWHERE, ...options };
  const cacheTo = [remote({ mode: "max" })];
  await assert.rejects(failing.build({ ...shared, cacheTo }, registry()), { code: "step-failed" });
  const taken: string[] = [];
  const onEvent = (event: BuildEvent): void => {
    if (event.kind === "vertex" && event.cached === true && event.cache !== "local") taken.push(event.name);
  };
  const again = failing.build({ ...shared, cacheFrom: [remote()], onEvent }, registry());
  await assert.rejects(again, { code: "step-failed" });
  return taken;
}

/** The failing build's context, served as a repository and as an archive. */
async function serveFailing(): Promise<AsyncDisposable & { readonly repository: string; readonly archive: string }> {
  await using owned = new AsyncDisposableStack();
  const git = owned.use(await startGitServer());
  const work = git.create("failing");
  await sh("cp", "-a", `${failing.context}/.`, work);
  git.git("failing.git", "add", ".");
  git.git("failing.git", "commit", "--quiet", "-m", "one");
  const archive = join(git.directory, "failing.tar");
  await sh("tar", "-C", failing.context, "-cf", archive, ".");
  const server = createServer((_, response) => createReadStream(archive).pipe(response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  owned.defer(() => void server.close());
  const kept = owned.move();
  return {
    repository: `${git.url}/failing.git`,
    archive: `http://127.0.0.1:${(server.address() as AddressInfo).port}/failing.tar`,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

suite("a build that does not come to its end", { skip }, () => {
  test("exports what succeeded of it, and a build elsewhere takes it from there", async () => {
    const taken = await takenElsewhere({});
    assert.ok(
      taken.some((name) => name.includes("3/4")),
      taken.join("\n"),
    );
  });

  test(
    "exports what succeeded of it after a context that had to be fetched",
    { skip: gitMissing() ?? false },
    async () => {
      await using served = await serveFailing();
      const text = FAILING.replaceAll("COPY ", "COPY --from=named ");
      for (const options of [
        { context: { kind: "url", url: served.repository } },
        { context: { kind: "url", url: served.archive } },
        { dockerfile: { kind: "text", text }, buildContexts: { named: served.repository } },
      ] as const) {
        tag = `t${(tags += 1)}`;
        const taken = await takenElsewhere(options);
        assert.ok(
          taken.some((name) => name.includes("3/4")),
          JSON.stringify([options, taken]),
        );
        assert.ok(!taken.some((name) => name.includes("remote build context")), "the download is no step of the build");
      }
    },
  );

  test("exports what succeeded of all its platforms", async () => {
    // The step of one platform fails only when the other platform's is done.
    const done = Promise.withResolvers<void>();
    const server = createServer((_, response) => void done.promise.then(() => response.end())).listen(0, "127.0.0.1");
    await once(server, "listening");
    await using _closed = { [Symbol.asyncDispose]: async () => void server.close() };
    const wait = `wget -q -O- http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const text = FAILING.replace(
      '["/bin/busybox", "false"]',
      `--network=host ["/bin/busybox", "sh", "-c", "[ $TARGETARCH = amd64 ] || { /bin/busybox ${wait}; exit 1; }"]`,
    ).replace("COPY bin", "ARG TARGETARCH\nCOPY bin");
    const taken = await takenElsewhere({
      dockerfile: { kind: "text", text },
      platforms: ["amd64", "arm64"].map((architecture) => ({ os: "linux", architecture })),
      allow: ["network.host"],
      onEvent: (event) => {
        if (event.kind === "vertex" && event.name.startsWith("[linux/amd64 4/4]") && event.completedAt) done.resolve();
      },
    });
    for (const step of ["[linux/amd64 4/4]", "[linux/arm64 3/4]"])
      assert.ok(
        taken.some((name) => name.startsWith(step)),
        taken.join("\n"),
      );
  });

  test("exports nothing if nothing of it was asked for yet", { skip: gitMissing() ?? false }, async () => {
    await using served = await serveFailing();
    const first = proxy.requests.length;
    const wrong = failing.build(
      { context: { kind: "url", url: served.repository }, target: "none", cacheTo: [remote()], outputs: NOWHERE },
      registry(),
    );
    await assert.rejects(wrong, { code: "invalid-build" });
    assert.deepEqual(proxy.requests.slice(first), []);
  });

  test("exports nothing if it is told so", async () => {
    const first = proxy.requests.length;
    const cacheTo = [remote({ mode: "max", "on-failure": "false" })];
    await assert.rejects(failing.build({ cacheTo, outputs: NOWHERE }, registry()), { code: "step-failed" });
    assert.deepEqual(proxy.requests.slice(first), []);
  });

  test("exports nothing if it was cancelled", async () => {
    const first = proxy.requests.length;
    const abort = new AbortController();
    const build = fixture.build(
      {
        cacheTo: [remote({ mode: "max" })],
        signal: abort.signal,
        onEvent: (event) => {
          if (event.kind === "vertex" && event.name.includes("3/3") && event.startedAt !== undefined) abort.abort();
        },
      },
      registry(),
    );
    await assert.rejects(build, { code: "cancelled" });
    assert.deepEqual(proxy.requests.slice(first), []);
  });

  test("killed in the middle of an export: the tag is whole at any time, and what was sent is not sent again", async () => {
    await using varve = await Varve.open();
    const files = { one: `one for ${tag}\n`, two: `two for ${tag}\n` };
    const own = await varve.files("context", {
      ...files,
      Dockerfile: await readFile(join(fixture.context, "Dockerfile")),
      "bin/busybox": await readFile("/bin/busybox"),
    });
    await sh("chmod", "755", join(own, "bin/busybox"));
    const to = `type=registry,ref=${proxy.host}/cache:${tag},mode=max`;
    const args = ["build", "-o", "type=cacheonly", "--network=none", "--cache-to", to];
    const build = (last: string) => varve.start([...args, "--build-arg", `LAST=${last}`, own]);
    let there: readonly string[] = [];
    const first = proxy.requests.length;
    // At last when nothing but the tag is missing: how much came through before is a matter of luck.
    for (const at of [1, 3, Infinity]) {
      const from = proxy.requests.length;
      const child = build("");
      proxy.fault = (request) => {
        if (uploads(proxy.requests.slice(from)).length <= at && !isTagWrite(request)) return undefined;
        child.kill("SIGKILL");
        return { kind: "status", status: 503 };
      };
      await finished(child);
      proxy.fault = () => undefined;
      assert.equal(await standing(), undefined);
      assert.ok(uploads(proxy.requests.slice(from)).every((digest) => !there.includes(digest)));
      there = await present(uploads(proxy.requests.slice(first)));
    }
    assert.ok(there.length >= SMALL_STEPS - 1, "all layers are there");
    const from = proxy.requests.length;
    const done = await finished(build(""));
    assert.equal(done.code, 0, done.stderr);
    assert.ok(uploads(proxy.requests.slice(from)).every((digest) => !there.includes(digest)));
    const before = await standing();
    assert.ok(before !== undefined && before.layers.length >= SMALL_STEPS - 1);

    const child = build("other");
    proxy.fault = (request) => {
      if (!isTagWrite(request)) return undefined;
      child.kill("SIGKILL");
      return { kind: "reset" };
    };
    await finished(child);
    proxy.fault = () => undefined;
    const after = await standing();
    assert.deepEqual(await present(after?.layers ?? []), after?.layers);
    assert.ok(before.layers.every((digest) => after?.layers.includes(digest) === true));
  });
});

suite("modes", { skip }, () => {
  /** Digests of the layers an image of the build has. */
  async function imageLayers(): Promise<Set<string>> {
    const at = join(fixture.folder, `image-${tag}`);
    await fixture.build(
      { cacheFrom: [remote()], outputs: [{ type: "oci", dest: at, attrs: { tar: "false" } }] },
      registry(),
    );
    return new Set((await readManifest(at)).layers.map(({ digest }) => digest));
  }

  for (const [name, outputs] of [
    ["with no image", NOWHERE],
    ["beside an image", [{ type: "image" }]],
  ] as const)
    test(`min ${name}: the layers of the result, none of other stages; every record that leads to it`, async () => {
      await fixture.build({ cacheTo: [remote({ mode: "min" })], outputs }, registry());
      assert.deepEqual(new Set((await standing())?.layers), await imageLayers());
      const { records } = await config();
      assert.ok(
        records.some(({ layers, inputs }) => layers === undefined && inputs !== undefined),
        "the other stage's",
      );
      const { ran } = await fixture.build({ cacheFrom: [remote()], outputs: NOWHERE }, registry());
      assert.deepEqual(ran, []);
    });

  test("max: every record but roots has a result", async () => {
    await fixture.build({ cacheTo: [remote({ mode: "max" })], outputs: NOWHERE }, registry());
    const image = await imageLayers();
    assert.ok(new Set((await standing())?.layers).size > image.size);
    for (const { layers, inputs } of (await config()).records) assert.equal(layers === undefined, inputs === undefined);
  });

  interface Config {
    readonly records: readonly { readonly layers?: unknown; readonly inputs?: unknown }[];
  }

  async function config(): Promise<Config> {
    const found = await standing();
    assert.ok(found !== undefined);
    return (await (await fetch(`${server.url}/v2/cache/blobs/${found.config}`)).json()) as Config;
  }
});

suite("several targets at once", { skip }, () => {
  test("each has a result of its own, and one that fails fails the build with ignore-error=false only", async () => {
    const good = join(fixture.folder, `good-${tag}`);
    proxy.fault = (request) => (isTagWrite(request) ? { kind: "status", status: 403 } : undefined);
    const targets = (attrs: Readonly<Record<string, string>>) => [
      local(good, { mode: "max" }),
      remote({ mode: "max", ...attrs }),
      local(good, { tag: "other" }),
    ];
    await assert.rejects(fixture.build({ cacheTo: targets(STRICT) }, registry()), (error: unknown) => {
      assert.ok(error instanceof VarveError);
      assert.match(error.message, new RegExp(`${proxy.host}.*403`));
      return true;
    });
    const { result, warnings } = await fixture.build({ cacheTo: targets({}) }, registry());
    const reports = result.metadata["varve.caches"] as { name: string; error?: string; descriptor?: object }[];
    assert.deepEqual(
      reports.map(({ name, error, descriptor }) => [name, error === undefined, descriptor !== undefined]),
      [
        [`${good}:latest`, true, true],
        [`${proxy.host}/cache:${tag}`, false, false],
        [`${good}:other`, true, true],
      ],
    );
    assert.deepEqual(result.metadata["cache.manifest"], reports[0]?.descriptor);
    assert.equal(warnings.filter((warning) => warning.includes(`${proxy.host}/cache:${tag}`)).length, 1);
    for (const name of ["latest", "other"]) {
      const from = [{ type: "local", attrs: { src: good, tag: name } }];
      assert.deepEqual((await fixture.build({ cacheFrom: from, outputs: NOWHERE })).ran, []);
    }
  });

  test("a registry that keeps a tag as it is: the answer is told, and nothing has changed", async () => {
    await fixture.build({ cacheTo: [remote({ mode: "max" })], outputs: NOWHERE }, registry());
    const before = await standing();
    const body = JSON.stringify({ errors: [{ code: "TAG_IMMUTABLE", message: "tag is immutable" }] });
    proxy.fault = (request) => (isTagWrite(request) ? { kind: "status", status: 400, body } : undefined);
    const again = fixture.build(
      { buildArgs: { LAST: tag }, cacheTo: [remote({ mode: "max", ...STRICT })], outputs: NOWHERE },
      registry(),
    );
    await assert.rejects(again, new RegExp(`${proxy.host}.*tag is immutable`));
    assert.deepEqual(await standing(), before);
  });

  test("an export of what stands there already writes nothing", async () => {
    const root = fixture.newRoot();
    const to = { cacheTo: [remote({ mode: "max" })], outputs: NOWHERE };
    await fixture.build(to, { root, ...registry() });
    const first = proxy.requests.length;
    await fixture.build(to, { root, ...registry() });
    assert.deepEqual(proxy.requests.slice(first).filter(isWrite), []);
  });
});

suite("a directory that cannot take it", { skip }, () => {
  /** A file system of its own with so many bytes. */
  async function small(bytes: number, own: AsyncDisposableStack): Promise<string> {
    const at = join(fixture.folder, `disk-${tag}`);
    await mkdir(at);
    await sh("mount", "-t", "tmpfs", "-o", `size=${bytes}`, "varve-test", at);
    own.defer(async () => void (await sh("umount", "--lazy", at)));
    return at;
  }
  const from = (src: string) => ({ cacheFrom: [{ type: "local", attrs: { src } }], outputs: NOWHERE });
  const exported = (at: string, attrs: Readonly<Record<string, string>> = {}) => ({
    cacheTo: [local(at, { mode: "max", ...attrs })],
    outputs: NOWHERE,
  });

  test("a full disk: the error says so, and what was there stays", async () => {
    await using own = new AsyncDisposableStack();
    const at = await small(2 * 1_048_576, own);
    await fixture.build(exported(at));
    const before = await readdir(at, { recursive: true });
    const large = exported(at, { compression: "uncompressed", "force-compression": "true" });
    const to = { ...large.cacheTo[0]?.attrs };
    await assert.rejects(fixture.build({ ...large, cacheTo: [local(at, { ...to, ...STRICT })] }), /no space left/i);
    assert.deepEqual(
      (await readdir(at)).filter((name) => !before.includes(name)),
      [],
    );
    assert.deepEqual((await fixture.build(from(at))).ran, []);
    const ignored = await fixture.build(large);
    assert.equal(ignored.warnings.length, 1);
  });

  test("one that is read-only: the error says so, and what was there stays", async () => {
    await using own = new AsyncDisposableStack();
    const at = await small(8 * 1_048_576, own);
    await fixture.build(exported(at));
    await sh("mount", "-o", "remount,ro", at);
    const changed = { ...exported(at, STRICT), buildArgs: { LAST: "changed" } };
    await assert.rejects(fixture.build(changed), /read-only/i);
    assert.deepEqual((await fixture.build(from(at))).ran, []);
  });
});

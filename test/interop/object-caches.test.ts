import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { buildkitProgram } from "../../testing/buildkit-programs.ts";
import { CacheFixture, SMALL_STEPS } from "../../testing/cache-fixture.ts";
import { GhaServer, ghaToken } from "../../testing/gha-server.ts";
import { OBJECT_BACK_ENDS, cacheText } from "../../testing/object-caches.ts";
import { Varve, buildsUnavailable, finished } from "../../testing/varve.ts";

const daemon = buildkitProgram("buildkitd");
const client = buildkitProgram("buildctl");
const skip =
  buildsUnavailable() ??
  (daemon === undefined || client === undefined ? "buildkitd and buildctl are not installed" : undefined);

/** Builds with these arguments of buildctl. Returns what it prints. */
type Build = (...args: readonly string[]) => Promise<string>;
/** A cache in a cloud, as both programs take it, by its name. */
type CacheOf = (name: string) => string;

interface Cloud {
  readonly missing: () => string | undefined;
  readonly start: (stack: AsyncDisposableStack) => Promise<CacheOf>;
}

const CLOUDS: Readonly<Record<string, Cloud>> = {
  s3: inObjects("s3"),
  azblob: inObjects("azblob"),
  "gha, version 1": inActions("1"),
  "gha, version 2": inActions("2"),
};

function inObjects(type: "s3" | "azblob"): Cloud {
  const backEnd = OBJECT_BACK_ENDS.find((each) => each.type === type) ?? assert.fail();
  return {
    missing: backEnd.missing,
    start: async (stack) => {
      const { host } = stack.use(await backEnd.start());
      return (name) => cacheText({ type, attrs: { ...backEnd.attributes(host, "ci"), name, mode: "max" } });
    },
  };
}

function inActions(version: string): Cloud {
  return {
    missing: () => undefined,
    start: async (stack) => {
      const { url } = stack.use(await GhaServer.start());
      const attrs = { url, version, token: ghaToken(), mode: "max", ...(version === "2" ? { url_v2: url } : {}) };
      return (scope) => cacheText({ type: "gha", attrs: { ...attrs, scope } });
    },
  };
}

for (const [name, cloud] of Object.entries(CLOUDS))
  suite(`a cache in ${name}`, { skip: skip ?? cloud.missing() ?? false }, () => tests(cloud));

function tests(cloud: Cloud): void {
  const stack = new AsyncDisposableStack();
  let fixture: CacheFixture;
  let varve: Varve;
  let cache: CacheOf;
  before(async () => {
    cache = await cloud.start(stack);
    fixture = stack.use(await CacheFixture.open());
    varve = stack.use(await Varve.open());
  });
  after(() => stack.disposeAsync());

  const byBuildKit: Build = (...args) =>
    byDaemon(
      ({ root }, address) =>
        spawn(
          daemon ?? "",
          [`--root=${root}`, `--addr=${address}`, "--oci-worker-net=host", "--containerd-worker=false"],
          { stdio: "ignore" },
        ),
      args,
    );
  const byServer: Build = (...args) => byDaemon((own, address) => own.start(["serve", "--buildkit", address]), args);

  /** Builds by buildctl with a daemon that has nothing. Returns what it prints. */
  async function byDaemon(
    start: (own: Varve, address: string) => ChildProcess,
    args: readonly string[],
  ): Promise<string> {
    await using own = await Varve.open();
    const address = `unix://${own.folder}/b.sock`;
    const child = start(own, address);
    const exited = once(child, "exit");
    try {
      while (!existsSync(`${own.folder}/b.sock`) && child.exitCode === null) await sleep(50);
      const local = ["context", "dockerfile"].flatMap((name) => ["--local", `${name}=${fixture.context}`]);
      const opt = ["--opt", "force-network-mode=none", "--output", "type=tar,dest=/dev/null"];
      const build = [
        "--addr",
        address,
        "build",
        "--progress=rawjson",
        "--frontend=dockerfile.v0",
        ...local,
        ...opt,
        ...args,
      ];
      const { code, stdout, stderr } = await finished(spawn(client ?? "", build, { stdio: "pipe" }));
      assert.equal(code, 0, stderr);
      return `${stdout}${stderr}`;
    } finally {
      child.kill("SIGTERM");
      await exited;
    }
  }

  const byVarve = ["--network=none", "-o", "type=tar,dest=/dev/null"];
  /** The number of steps that BuildKit took from a cache. */
  function cachedBy(printed: string): number {
    const cached = new Set<string>();
    for (const line of printed.split("\n").filter((text) => text.startsWith("{"))) {
      const { vertexes = [] } = JSON.parse(line) as { vertexes?: { name: string; cached?: boolean }[] };
      for (const vertex of vertexes)
        if (vertex.cached === true && /^\[.*\d+\/\d+\] /.test(vertex.name)) cached.add(vertex.name);
    }
    return cached.size;
  }

  test("what Varve exports and signs, BuildKit takes every step from", async () => {
    const key = generateKeyPairSync("ed25519").privateKey.export({ format: "der", type: "pkcs8" }).toString("base64");
    await varve.build([...byVarve, "--cache-to", `${cache("ours")},sign=base64:${key}`, fixture.context]);
    assert.equal(cachedBy(await byBuildKit("--import-cache", cache("ours"))), SMALL_STEPS);
  });

  test("what BuildKit exports, Varve takes every step from; what Varve adds to it, BuildKit does", async () => {
    await byBuildKit("--export-cache", cache("theirs"));
    await using other = await Varve.open();
    const { steps } = await other.build([...byVarve, "--cache-from", cache("theirs"), fixture.context]);
    assert.equal(steps.filter(({ status }) => status === "hit").length, SMALL_STEPS);
    assert.ok(steps.every(({ status }) => status !== "run"));
    await varve.build([...byVarve, "--build-arg=LAST=1", "--cache-to", cache("theirs"), fixture.context]);
    for (const args of [[], ["--opt", "build-arg:LAST=1"]])
      assert.equal(cachedBy(await byBuildKit("--import-cache", cache("theirs"), ...args)), SMALL_STEPS);
  });
  test("what buildctl asks a server of Varve for is exported and imported", async () => {
    await byServer("--export-cache", cache("served"));
    assert.equal(cachedBy(await byServer("--import-cache", cache("served"))), SMALL_STEPS);
    assert.equal(cachedBy(await byBuildKit("--import-cache", cache("served"))), SMALL_STEPS);
  });
}

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CacheFixture, SMALL_STEPS } from "../../testing/cache-fixture.ts";
import { type S3Server, S3_KEYS, s3Missing, startS3 } from "../../testing/s3-server.ts";
import { Varve, buildsUnavailable, finished } from "../../testing/varve.ts";

/** A program of BuildKit: that of the folder that `BUILDKIT_BIN` names, else of the path. */
function programOf(name: string): string | undefined {
  const folders = [process.env["BUILDKIT_BIN"] ?? "", ...(process.env["PATH"] ?? "").split(delimiter)];
  return folders
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

const daemon = programOf("buildkitd");
const client = programOf("buildctl");
const skip =
  buildsUnavailable() ??
  (daemon === undefined || client === undefined ? "buildkitd and buildctl are not installed" : undefined) ??
  s3Missing();

suite("a cache in S3", { skip: skip ?? false }, () => {
  const stack = new AsyncDisposableStack();
  let server: S3Server;
  let fixture: CacheFixture;
  let varve: Varve;
  before(async () => {
    server = stack.use(await startS3());
    fixture = stack.use(await CacheFixture.open());
    varve = stack.use(await Varve.open());
  });
  after(() => stack.disposeAsync());

  const cache = (name: string): string =>
    `type=s3,bucket=bk,region=us-east-1,endpoint_url=${server.url},use_path_style=true,name=${name},mode=max,` +
    `access_key_id=${S3_KEYS.id},secret_access_key=${S3_KEYS.secret}`;

  /** Builds with a BuildKit that has nothing. Returns what it prints. */
  async function byBuildKit(...args: readonly string[]): Promise<string> {
    await using own = await Varve.open();
    const address = `unix://${own.folder}/b.sock`;
    const flags = [`--root=${own.root}`, `--addr=${address}`, "--oci-worker-net=host", "--containerd-worker=false"];
    const child = spawn(daemon ?? "", flags, { stdio: "ignore" });
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
});

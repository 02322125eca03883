import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { isVarveError } from "../../core/index.ts";
import { bytesOf } from "../../io/index.ts";
import {
  cacheSpecOf,
  contextOf,
  dockerfileOf,
  extraHostOf,
  namedContexts,
  networkOf,
  outputOf,
  outputsOf,
  platformsOf,
  resourcesOf,
  secretOf,
  sshOf,
  ulimitOf,
} from "./build-options.ts";

const usage = (error: unknown): boolean => isVarveError(error, "invalid-argument");

function setVariable(t: TestContext, name: string, value: string | undefined): void {
  const before = process.env[name];
  const set = (to: string | undefined): void => {
    if (to === undefined) delete process.env[name];
    else process.env[name] = to;
  };
  set(value);
  t.after(() => set(before));
}

const HOST = { cwd: process.cwd(), env: process.env };

test("the context is a directory, a URL or standard input", () => {
  const stdin = bytesOf();
  assert.deepEqual(contextOf("-", stdin), { kind: "stream", bytes: stdin });
  for (const url of [
    "https://example.com/a.git#main:sub",
    "http://a/b.tar",
    "git://a/b",
    "git@github.com:a/b",
    "ssh://git@a/b",
    "github.com/a/b",
  ]) {
    assert.deepEqual(contextOf(url, stdin), { kind: "url", url });
  }
  for (const path of [".", "/a/b", "./https", "github.community/x"]) {
    assert.deepEqual(contextOf(path, stdin), { kind: "directory", path });
  }
});

test("the Dockerfile is a local file, a file in the context, or standard input", async () => {
  const directory = contextOf(".", bytesOf());
  const url = contextOf("https://a/b.git", bytesOf());
  assert.equal(await dockerfileOf(undefined, directory, bytesOf()), undefined);
  assert.deepEqual(await dockerfileOf("D", directory, bytesOf()), { kind: "file", path: "D" });
  assert.deepEqual(await dockerfileOf("D", url, bytesOf()), { kind: "context", path: "D" });
  assert.deepEqual(await dockerfileOf("-", directory, bytesOf("FROM ", "a")), {
    kind: "text",
    text: "FROM a",
    name: "Dockerfile",
  });
  await assert.rejects(dockerfileOf("-", contextOf("-", bytesOf()), bytesOf()), usage);
});

test("reading standard input has a limit", async () => {
  const endless = (function* (): Generator<Uint8Array> {
    for (;;) yield Buffer.alloc(65_536);
  })();
  const stdin = { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve(endless.next()) }) };
  await assert.rejects(dockerfileOf("-", contextOf(".", bytesOf()), stdin), (error) =>
    isVarveError(error, "limit-exceeded"),
  );
});

test("platforms are separated by commas or given many times", () => {
  assert.deepEqual(
    platformsOf(["linux/amd64,linux/arm64", "linux/arm/v7", ""]).map(({ architecture }) => architecture),
    ["amd64", "arm64", "arm"],
  );
  assert.throws(() => platformsOf(["linux/a/b/c/d"]), usage);
});

test("outputs are attributes or only a path", () => {
  assert.deepEqual(outputOf("out"), { type: "local", dest: "out" });
  assert.deepEqual(outputOf("-"), { type: "tar", dest: "-" });
  assert.deepEqual(outputOf("type=oci,dest=a.tar,compression=zstd"), {
    type: "oci",
    dest: "a.tar",
    attrs: { compression: "zstd" },
  });
  assert.deepEqual(outputOf('type=image,"name=a,b",push=true'), {
    type: "image",
    attrs: { name: "a,b", push: "true" },
  });
  for (const text of ["", "type=nope", "dest=a", "type=local", "type=tar", 'type="oci"']) {
    assert.throws(() => outputOf(text), usage, text);
  }
});

test("push and load are outputs; without any, the image is kept", () => {
  const types = (output: string[], push = false, load = false): string[] =>
    outputsOf({ output, push, load }).map(({ type }) => type);
  assert.deepEqual(types([]), ["image"]);
  assert.deepEqual(types([], true), ["registry"]);
  assert.deepEqual(types([], true, true), ["registry", "image"]);
  assert.deepEqual(types(["out"]), ["local"]);
  assert.deepEqual(types(["out"], true), ["local", "registry"]);
});

test("a cache reference alone means a registry", () => {
  assert.deepEqual(cacheSpecOf("user/app:cache"), { type: "registry", attrs: { ref: "user/app:cache" } });
  assert.deepEqual(cacheSpecOf("type=local,src=/a"), { type: "local", attrs: { src: "/a" } });
  assert.throws(() => cacheSpecOf("ref=a"), usage);
});

test("secrets come from files or the environment", (t) => {
  setVariable(t, "VARVE_TEST_TOKEN", "x");
  assert.deepEqual(secretOf("id=a,src=/f", HOST), { id: "a", source: { file: "/f" } });
  assert.deepEqual(secretOf("id=a,source=/f", HOST), { id: "a", source: { file: "/f" } });
  assert.deepEqual(secretOf("id=a,type=file,src=/f", HOST), { id: "a", source: { file: "/f" } });
  assert.deepEqual(secretOf("id=a,env=B", HOST), { id: "a", source: { env: "B" } });
  assert.deepEqual(secretOf("env=B", HOST), { id: "B", source: { env: "B" } });
  assert.deepEqual(secretOf("id=a,type=env,src=B", HOST), { id: "a", source: { env: "B" } });
  assert.deepEqual(secretOf("id=VARVE_TEST_TOKEN", HOST), {
    id: "VARVE_TEST_TOKEN",
    source: { env: "VARVE_TEST_TOKEN" },
  });
  assert.deepEqual(secretOf("id=package.json", HOST), { id: "package.json", source: { file: "package.json" } });
  assert.throws(
    () => secretOf("id=no-such-thing", HOST),
    (error) => usage(error) && /neither an environment variable nor a file named no-such-thing/.test(String(error)),
  );
  assert.throws(() => secretOf("id=constructor", HOST), usage);
  assert.throws(
    () => secretOf("S", HOST),
    (error) => usage(error) && (error as Error).message === 'Cannot read --secret: unexpected key "s"',
  );
  for (const text of ["src=/f", "id=,src=/f", "id=a,type=vault", "id=a,mode=0400", "a"]) {
    assert.throws(() => secretOf(text, HOST), usage, text);
  }
});

test("agents have IDs, and the running agent is the default", (t) => {
  setVariable(t, "SSH_AUTH_SOCK", "/run/agent");
  assert.deepEqual(sshOf("default", process.env), { id: "default", paths: ["/run/agent"] });
  assert.deepEqual(sshOf("work=/a,/b", process.env), { id: "work", paths: ["/a", "/b"] });
  for (const text of ["work=", "work"])
    assert.deepEqual(sshOf(text, process.env), { id: "work", paths: ["/run/agent"] });
  assert.equal(sshOf("=/a", process.env).id, "default");
  setVariable(t, "SSH_AUTH_SOCK", undefined);
  for (const text of ["default", "work="]) assert.throws(() => sshOf(text, process.env), usage);
});

test("hosts, limits and networks", () => {
  assert.deepEqual(extraHostOf("db:10.0.0.1"), { host: "db", ip: "10.0.0.1" });
  assert.deepEqual(extraHostOf("db=::1"), { host: "db", ip: "::1" });
  assert.deepEqual(extraHostOf("db:[::1]"), { host: "db", ip: "::1" });
  assert.deepEqual(extraHostOf("db:::1"), { host: "db", ip: "::1" });
  assert.throws(() => extraHostOf("db"), usage);
  assert.deepEqual(ulimitOf("nofile=1024:2048"), { name: "nofile", soft: 1024, hard: 2048 });
  assert.deepEqual(ulimitOf("core=-1"), { name: "core", soft: -1, hard: -1 });
  for (const text of ["nofile", "nofile=a", "nofile=2:1", "nofile=-1:1", "=1"])
    assert.throws(() => ulimitOf(text), usage, text);
  assert.equal(networkOf(undefined), undefined);
  assert.equal(networkOf("none"), "none");
  assert.throws(() => networkOf("bridge"), usage);
});

test("limits of steps are sizes, whole numbers and lists", () => {
  const none = {
    memory: undefined,
    "memory-swap": undefined,
    "cpu-shares": undefined,
    "cpu-period": undefined,
    "cpu-quota": undefined,
    "cpuset-cpus": undefined,
    "cpuset-mems": undefined,
  };
  const given = resourcesOf({ ...none, memory: "64m", "memory-swap": "-1", "cpu-quota": "50000", "cpuset-cpus": "0" });
  assert.deepEqual(given, {
    memory: 64 * 1024 ** 2,
    memorySwap: -1,
    cpuShares: 0,
    cpuPeriod: 0,
    cpuQuota: 50_000,
    cpusetCpus: "0",
    cpusetMems: "",
  });
  for (const wrong of [{ memory: "much" }, { "memory-swap": "-2" }, { "cpu-quota": "1.5" }, { "cpu-shares": "-1" }])
    assert.throws(() => resourcesOf({ ...none, ...wrong }), usage);
});

test("named contexts have a name and a source", () => {
  assert.deepEqual(namedContexts(["a=docker-image://b:1", "c=../d"]), { a: "docker-image://b:1", c: "../d" });
  assert.throws(() => namedContexts(["a"]), usage);
});

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type DockerServer, messagesOf, startDockerServer } from "../../../testing/docker-server.ts";
import { buildRequest } from "./endpoints/build.ts";
import { bytesOf } from "../../io/index.ts";
import { writeTar } from "../../layer/index.ts";
import { collect } from "../../io/index.ts";
import type { ClassicBuildRequest } from "./build-request.ts";

async function archive(path = "hello", body = "hi\n"): Promise<Buffer> {
  return await collect(writeTar([{ path, mode: 0o644, body }]), 1 << 20, { what: "a test's archive" });
}

const query = (value: object): string => encodeURIComponent(JSON.stringify(value));

describe("the Engine API on the wire", () => {
  let server: DockerServer;
  before(async () => {
    server = await startDockerServer();
    const { status } = await server.ask(
      "POST",
      "/images/create?fromSrc=-&repo=base&tag=1&message=made+here&changes=ENV+A%3Db&changes=LABEL+x%3Dy",
      {
        body: await archive(),
      },
    );
    assert.equal(status, 200);
  });
  after(async () => await server[Symbol.asyncDispose]());

  const refusals: readonly [method: string, path: string, status: number, body: string][] = [
    [
      "GET",
      "/v1.99/version",
      400,
      '{"message":"client version 1.99 is too new. Maximum supported API version is 1.51"}\n',
    ],
    [
      "GET",
      "/v1.1/version",
      400,
      "client version 1.1 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version\n",
    ],
    ["DELETE", "/v1.41/build", 404, '{"message":"page not found"}\n'],
    ["GET", "/v1.41/nope", 404, '{"message":"page not found"}\n'],
    ["GET", "/", 404, '{"message":"page not found"}\n'],
    ["POST", "/grpc", 404, '{"message":"page not found"}\n'],
    ["POST", "/session", 404, '{"message":"page not found"}\n'],
    ["GET", "/images/nope/json", 404, '{"message":"No such image: nope:latest"}\n'],
    ["GET", "/images/%zz/json", 400, '{"message":"the path of the request is malformed"}\n'],
    ["GET", "/images/UPPER/json", 400, '{"message":"invalid reference format"}\n'],
    ["GET", `/images/json?filters=${query({ nope: ["x"] })}`, 400, '{"message":"invalid filter \'nope\'"}\n'],
    ["GET", "/images/json?filters=[1", 400, '{"message":"invalid filter"}\n'],
    [
      "POST",
      "/build?version=2",
      400,
      '{"message":"Cannot build: BuildKit is not served here; set DOCKER_BUILDKIT=0"}\n',
    ],
    ["POST", "/build?version=3", 400, '{"message":"invalid version \\"3\\""}\n'],
    ["POST", "/build?remote=client-session", 400, '{"message":"a context from a client session needs BuildKit"}\n'],
    ["POST", "/build?securityopt=x", 400, '{"message":"security options are not supported on linux"}\n'],
    ["POST", "/build?squash=1", 400, '{"message":"squash is only supported with experimental mode"}\n'],
    ["POST", "/build/cancel", 400, '{"message":"build ID not provided"}\n'],
    ["POST", "/images/create?fromImage=scratch", 403, '{"message":"\'scratch\' is a reserved name"}\n'],
    ["POST", "/images/create?fromImage=UPPER", 400, '{"message":"invalid reference format"}\n'],
    ["POST", "/images/base:1/tag?repo=sha256", 400, '{"message":"invalid reference format"}\n'],
    ["POST", "/images/base:1/tag?repo=a&tag=%25", 400, '{"message":"invalid reference format"}\n'],
    ["GET", "/events?since=20&until=10", 400, '{"message":"`since` time (20) cannot be after `until` time (10)"}\n'],
    ["GET", "/system/df?type=foo", 400, '{"message":"unknown object type: foo"}\n'],
    [
      "GET",
      "/v1.48/images/base:1/json?manifests=1&platform=linux/amd64",
      400,
      '{"message":"conflicting options: manifests and platform options cannot both be set"}\n',
    ],
    ["POST", "/commit?container=x&changes=RUN+x", 400, '{"message":"RUN is not a valid change command"}\n'],
    ["POST", "/commit?container=x", 404, '{"message":"No such container: x"}\n'],
    ["GET", "/containers/x/json", 404, '{"message":"No such container: x"}\n'],
    ["GET", "/networks/x", 404, '{"message":"network x not found"}\n'],
    ["GET", "/volumes/x", 404, '{"message":"get x: no such volume"}\n'],
    ["GET", "/plugins/x/json", 404, '{"message":"plugin \\"x\\" not found"}\n'],
  ];
  for (const [method, path, status, body] of refusals)
    test(`${method} ${decodeURIComponent(path.replace("%zz", "%25zz"))} is refused with ${status} (E2, E3, E4, E10, E16, E20, E30)`, async () => {
      const answer = await server.ask(method, path);
      assert.deepEqual([answer.status, answer.text], [status, body]);
      const type = body.startsWith("{") ? "application/json" : "text/plain; charset=utf-8";
      assert.equal(answer.headers["content-type"], type);
    });

  for (const path of [
    "/containers/create",
    "/networks/create",
    "/exec/x/start",
    "/swarm/init",
    "/plugins/pull",
    "/containers/x/start",
  ])
    test(`POST ${path} says that it is not implemented`, async () => {
      const { status, text } = await server.ask("POST", path);
      assert.equal(status, 501);
      assert.match(text, /builds and moves images, it runs no containers/);
    });

  test("a ping is OK, and nothing for HEAD (E1)", async () => {
    const [get, head] = [await server.ask("GET", "/_ping"), await server.ask("HEAD", "/v1.41/_ping")];
    assert.deepEqual([get.status, get.text, head.status, head.text], [200, "OK", 200, ""]);
    assert.deepEqual([get.headers["api-version"], head.headers["content-length"]], ["1.51", "0"]);
    assert.match(String(get.headers["server"]), /^Docker\/.* \(linux\)$/);
    assert.deepEqual(
      ["ostype", "docker-experimental", "builder-version", "cache-control", "pragma"].map((name) => get.headers[name]),
      ["linux", "false", "1", "no-cache, no-store, must-revalidate", "no-cache"],
    );
  });

  test("malformed JSON of a build is refused with 400, a bad shmsize with 500, before any output (E9, E10)", async () => {
    for (const [parameter, status] of [
      ["buildargs=x", 400],
      ["labels=[1]", 400],
      ["ulimits=x", 400],
      ["cachefrom=xx", 400],
      ["platform=a/b/c/d", 400],
      ["isolation=hyperv", 400],
      ["shmsize=x", 500],
    ] as const) {
      const answer = await server.ask("POST", `/build?${parameter}`);
      assert.equal(answer.status, status, parameter);
      assert.match(answer.text, /^\{"message":".+"\}\n$/);
    }
  });

  test("filters in both forms give the same images (E19)", async () => {
    const [go, py] = await Promise.all(
      [{ label: { "x=y": true } }, { label: ["x=y"] }].map((filters) =>
        server.ask("GET", `/images/json?filters=${query(filters)}`),
      ),
    );
    assert.equal(go?.text, py?.text);
    assert.equal((JSON.parse(String(go?.text)) as unknown[]).length, 1);
    assert.equal((await server.ask("GET", `/images/json?filters=${query({ label: ["x=z"] })}`)).text, "[]\n");
    assert.equal((await server.ask("GET", `/images/json?filters=${query({ reference: ["b*:1"] })}`)).text, go?.text);
  });

  test("an untagged image is shown as each version wants it (E21), and can be pruned", async () => {
    const made = await server.ask("POST", "/images/create?fromSrc=-", { body: await archive("nameless") });
    const id = String(messagesOf(made)[0]?.["status"]);
    const list = async (version: string): Promise<unknown> =>
      (
        JSON.parse(
          (await server.ask("GET", `/v${version}/images/json?filters=${query({ dangling: ["true"] })}`)).text,
        ) as Record<string, unknown>[]
      ).map(({ Id, RepoTags, RepoDigests }) => ({ Id, RepoTags, RepoDigests }));
    assert.deepEqual(await list("1.40"), [{ Id: id, RepoTags: ["<none>:<none>"], RepoDigests: ["<none>@<none>"] }]);
    assert.deepEqual(await list("1.51"), [{ Id: id, RepoTags: [], RepoDigests: [] }]);
    const pruned = JSON.parse((await server.ask("POST", "/images/prune")).text) as Record<string, unknown>;
    assert.deepEqual(pruned["ImagesDeleted"], [{ Deleted: id }]);
    assert.ok(Number(pruned["SpaceReclaimed"]) > 0);
    assert.equal((await server.ask("GET", `/images/${id}/json`)).status, 404);
    assert.equal((await server.ask("GET", "/images/base:1/json")).status, 200);
  });

  test("ContainerConfig is shown below 1.45 only, fields of containers below 1.50 only (E22)", async () => {
    const shown = async (version: string): Promise<Record<string, unknown>> =>
      JSON.parse((await server.ask("GET", `/v${version}/images/base:1/json`)).text) as Record<string, unknown>;
    const [old, middle, recent] = [await shown("1.44"), await shown("1.45"), await shown("1.51")];
    assert.deepEqual(["ContainerConfig" in old, "ContainerConfig" in middle], [true, false]);
    assert.deepEqual(["VirtualSize" in (await shown("1.43")), "VirtualSize" in old], [true, false]);
    assert.deepEqual(Object.keys(recent["Config"] as object).sort(), [
      "Cmd",
      "Entrypoint",
      "Env",
      "Labels",
      "OnBuild",
      "User",
      "Volumes",
      "WorkingDir",
    ]);
    assert.equal("Hostname" in (middle["Config"] as object), true);
    assert.deepEqual((recent["Config"] as Record<string, unknown>)["Env"], ["A=b"]);
  });

  test("a tag answers 201 with nothing, and is there at once; a body is ignored (E23)", async () => {
    const answer = await server.ask("POST", "/images/base:1/tag?repo=docker.io/library/other&tag=2", {
      body: "{}",
      headers: { "content-type": "application/json" },
    });
    assert.deepEqual([answer.status, answer.text], [201, ""]);
    assert.equal((await server.ask("GET", "/images/other:2/json")).status, 200);
    assert.deepEqual(JSON.parse((await server.ask("DELETE", "/images/other:2")).text), [{ Untagged: "other:2" }]);
  });

  test("an id of several names goes only by force (S11, S12)", async () => {
    const made = await server.ask("POST", "/images/create?fromSrc=-&repo=twice&tag=1", {
      body: await archive("twice"),
    });
    const id = String(messagesOf(made)[0]?.["status"]);
    await server.ask("POST", "/images/twice:1/tag?repo=again&tag=1");
    assert.equal((await server.ask("DELETE", `/images/${id}`)).status, 409);
    const removed = await server.ask("DELETE", `/images/${id.slice(7, 19)}?force=1`);
    assert.deepEqual(JSON.parse(removed.text), [{ Untagged: "again:1" }, { Untagged: "twice:1" }, { Deleted: id }]);
  });

  test("what loses its name to another image stays, untagged (S5)", async () => {
    const first = messagesOf(
      await server.ask("POST", "/images/create?fromSrc=-&repo=moves", { body: await archive("one") }),
    )[0]?.["status"];
    await server.ask("POST", "/images/create?fromSrc=-&repo=moves", { body: await archive("two") });
    const { text } = await server.ask("GET", `/images/${String(first)}/json`);
    assert.deepEqual((JSON.parse(text) as Record<string, unknown>)["RepoTags"], []);
    await server.ask("POST", `/images/${String(first)}/tag?repo=found`);
    const dangling = await server.ask("GET", `/images/json?filters=${query({ dangling: ["1"] })}`);
    assert.equal(dangling.text.includes(String(first)), false);
  });

  test("an import tells its id, and its history the message (E29)", async () => {
    const made = await server.ask("POST", "/images/create?fromSrc=-&repo=imported&message=from+a+test", {
      body: gzipSync(await archive()),
    });
    assert.match(made.text, /^\{"status":"sha256:[0-9a-f]{64}"\}\r\n$/);
    const [row] = JSON.parse((await server.ask("GET", "/images/imported/history")).text) as Record<string, unknown>[];
    assert.deepEqual([row?.["Comment"], row?.["CreatedBy"], row?.["Tags"]], ["from a test", "", ["imported:latest"]]);
    assert.equal((await server.ask("POST", "/images/create?fromSrc=-", { body: "no archive" })).status, 400);
  });

  test("an archive that was saved is loaded under its name; rubbish is told of in the stream (E27)", async () => {
    const saved = await server.ask("GET", "/images/base:1/get");
    assert.equal(saved.headers["content-type"], "application/x-tar");
    const before = (await server.ask("GET", "/images/base:1/json")).text;
    await server.ask("DELETE", "/images/base:1");
    assert.equal(
      (await server.ask("POST", "/images/load?quiet=1", { body: gzipSync(saved.body) })).text,
      '{"stream":"Loaded image: base:1\\n"}\r\n',
    );
    assert.equal(
      (JSON.parse((await server.ask("GET", "/images/base:1/json")).text) as { Id: string }).Id,
      (JSON.parse(before) as { Id: string }).Id,
    );
    const rubbish = await server.ask("POST", "/images/load", { body: "no archive" });
    assert.equal(rubbish.status, 200);
    const last = messagesOf(rubbish).at(-1) as { error: string; errorDetail: { message: string } };
    assert.equal(last.error, last.errorDetail.message);
    assert.equal((await server.ask("GET", "/images/get?names=base:1&names=nope")).status, 404);
  });

  test("pushing what is not here fails in the stream (E24), pulling what no registry has before it (E25)", async () => {
    const push = await server.ask("POST", "/images/nope/push?tag=1");
    assert.equal(push.status, 200);
    assert.equal(messagesOf(push).at(-1)?.["error"], "An image does not exist locally with the tag: nope");
    const pull = await server.ask("POST", "/images/create?fromImage=127.0.0.1:1/x&tag=1");
    assert.equal(pull.status, 500);
    assert.match(pull.text, /does not accept connections/);
  });

  test("events of the past are told and end; creation is kept from old clients (E30, E31)", async () => {
    const until = (): string => String(Date.now() / 1000 + 0.01);
    const told = (await server.ask("GET", `/events?since=1&until=${until()}&filters=${query({ event: ["import"] })}`))
      .text;
    const [first] = told
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      [first?.["Type"], first?.["Action"], first?.["status"], first?.["scope"]],
      ["image", "import", "import", "local"],
    );
    assert.equal((await server.ask("GET", `/events?since=1&until=2`)).text, "");
  });

  test("pruning the build cache and cancelling an unknown build succeed (E32)", async () => {
    assert.equal(
      (await server.ask("POST", "/build/prune?filters=")).text,
      '{"CachesDeleted":null,"SpaceReclaimed":0}\n',
    );
    assert.deepEqual(
      [(await server.ask("POST", "/build/cancel?id=x")).status, (await server.ask("POST", "/build/cancel?id=x")).text],
      [200, ""],
    );
  });

  test("there is no search, no container, and one network (E36)", async () => {
    assert.equal((await server.ask("GET", "/images/search?term=x")).text, "[]\n");
    assert.equal((await server.ask("GET", "/containers/json?all=1")).text, "[]\n");
    const network = JSON.parse((await server.ask("GET", "/networks/bridge")).text) as {
      IPAM: { Config: { Gateway: string }[] };
    };
    assert.equal(network.IPAM.Config[0]?.Gateway, "127.0.0.1");
    assert.deepEqual(
      [(await server.ask("OPTIONS", "/anything")).status, (await server.ask("OPTIONS", "/anything")).text],
      [200, ""],
    );
  });

  test("JSON bodies have their type, and nothing behind them", async () => {
    const asked = async (body: string, type: string): Promise<string> =>
      (await server.ask("POST", "/commit?container=x", { body, headers: { "content-type": type } })).text;
    assert.equal(
      await asked("{}", "text/plain"),
      '{"message":"unsupported Content-Type header (text/plain): must be \'application/json\'"}\n',
    );
    assert.match(await asked("{} {}", "application/json"), /invalid JSON/);
    const empty = await server.ask("POST", "/commit?container=x", {
      headers: { "content-type": "application/json", "transfer-encoding": "chunked" },
    });
    assert.equal(empty.text, '{"message":"invalid JSON: got EOF while reading request body"}\n');
    assert.equal(
      (await server.ask("POST", "/auth", { body: "{", headers: { "content-type": "application/json" } })).status,
      500,
    );
  });
});

function parsed(text: string, headers: readonly (readonly [string, string])[] = []): ClassicBuildRequest {
  const signal = new AbortController().signal;
  const request = {
    method: "POST",
    path: "/build",
    query: new URLSearchParams(text),
    headers: new Map(headers),
    contentLength: 0,
    body: bytesOf(),
    signal,
  };
  return buildRequest({ query: request.query, request });
}

describe("parameters of a build", () => {
  test("booleans are read as clients of all sorts write them (E5)", () => {
    const { quiet, noCache, pull, remove } = parsed("q=True&nocache=False&pull=none&rm=False");
    assert.deepEqual({ quiet, noCache, pull, remove }, { quiet: true, noCache: false, pull: false, remove: "never" });
    assert.deepEqual(
      ["", "rm=", "rm=1", "rm=0&forcerm=1"].map((text) => parsed(text).remove),
      ["on-success", "on-success", "on-success", "always"],
    );
  });

  test("numbers that are none count as 0; empty values as absent", () => {
    const { limits, target, platform, dockerfile, tags } = parsed(
      "memory=x&memswap=-1&cpushares=5&shmsize=64&target=&platform=&dockerfile=&t=&t=a&t=b",
    );
    assert.deepEqual([limits.memory, limits.memorySwap, limits.cpuShares, limits.shmSize], [0, -1, 5, 64]);
    assert.deepEqual(
      { target, platform, dockerfile, tags },
      { target: undefined, platform: undefined, dockerfile: "Dockerfile", tags: ["a", "b"] },
    );
  });

  test("JSON parameters keep names that objects have of their own", () => {
    const { buildArgs, labels, cacheFrom, limits } = parsed(
      `buildargs=${query(JSON.parse('{"__proto__":"x","A":null}') as object)}&labels=null&cachefrom=["a"]&ulimits=${query([{ Name: "nofile", Soft: 1, Hard: 2 }])}`,
    );
    assert.deepEqual(
      [...buildArgs],
      [
        ["__proto__", "x"],
        ["A", null],
      ],
    );
    assert.deepEqual([labels.size, cacheFrom, limits.ulimits], [0, ["a"], [{ name: "nofile", soft: 1, hard: 2 }]]);
  });

  test("credentials come in both alphabets; rubbish is none (E17)", async () => {
    const config = JSON.stringify({ "https://index.docker.io/v1/": { username: "ü>?", password: "~~~" } });
    for (const alphabet of ["base64", "base64url"] as const) {
      const { credentials } = parsed("", [["x-registry-config", Buffer.from(config).toString(alphabet)]]);
      assert.deepEqual(await credentials("docker.io", {}), { kind: "basic", username: "ü>?", password: "~~~" });
      assert.deepEqual(await credentials("other.example", {}), { kind: "anonymous" });
    }
    assert.deepEqual(await parsed("", [["x-registry-config", "%%%"]]).credentials("docker.io", {}), {
      kind: "anonymous",
    });
  });
});

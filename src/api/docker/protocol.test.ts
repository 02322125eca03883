import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type DockerServer, messagesOf, startDockerServer } from "../../../testing/docker-server.ts";
import { writeTar } from "../../layer/index.ts";
import { collect } from "../../io/index.ts";

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
    ["POST", "/build/cancel", 400, '{"message":"build ID not provided"}\n'],
    ["POST", "/images/create?fromImage=scratch", 403, '{"message":"\'scratch\' is a reserved name"}\n'],
    ["POST", "/images/create?fromImage=UPPER", 400, '{"message":"invalid reference format"}\n'],
    ["POST", "/images/base:1/tag?repo=sha256", 400, '{"message":"invalid reference format"}\n'],
    ["POST", "/images/base:1/tag?repo=a&tag=%25", 400, '{"message":"invalid reference format"}\n'],
    ["GET", "/events?since=20&until=10", 400, '{"message":"`since` time (20) cannot be after `until` time (10)"}\n'],
    ["GET", "/system/df?type=foo", 400, '{"message":"unknown object type: foo"}\n'],
    [
      "GET",
      `/v1.49/images/base:1/json?manifests=1&platform=${encodeURIComponent('{"os":"linux","architecture":"amd64"}')}`,
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
    test(`${method} ${decodeURIComponent(path.replace("%zz", "%25zz"))} fails with ${status} (E2, E3, E4, E10, E16, E20, E30)`, async () => {
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
    test(`POST ${path} answers 501`, async () => {
      const { status, text } = await server.ask("POST", path);
      assert.equal(status, 501);
      assert.match(text, /builds and moves images, it runs no containers/);
    });

  test("GET /_ping answers OK, and HEAD answers without a body (E1)", async () => {
    const [get, head] = [await server.ask("GET", "/_ping"), await server.ask("HEAD", "/v1.41/_ping")];
    assert.deepEqual([get.status, get.text, head.status, head.text], [200, "OK", 200, ""]);
    assert.deepEqual([get.headers["api-version"], head.headers["content-length"]], ["1.51", "0"]);
    assert.match(String(get.headers["server"]), /^Docker\/.* \(linux\)$/);
    assert.deepEqual(
      ["ostype", "docker-experimental", "builder-version", "cache-control", "pragma"].map((name) => get.headers[name]),
      ["linux", "true", "1", "no-cache, no-store, must-revalidate", "no-cache"],
    );
  });

  test("a build with malformed JSON fails with 400, a bad shmsize with 500, before any output (E9, E10)", async () => {
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

  test("both forms of filters return the same images (E19)", async () => {
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

  test("pushing an unknown image fails in the stream (E24), pulling one before it (E25)", async () => {
    const push = await server.ask("POST", "/images/nope/push?tag=1");
    assert.equal(push.status, 200);
    assert.equal(messagesOf(push).at(-1)?.["error"], "An image does not exist locally with the tag: nope");
    const pull = await server.ask("POST", "/images/create?fromImage=127.0.0.1:1/x&tag=1");
    assert.equal(pull.status, 500);
    assert.match(pull.text, /does not accept connections/);
  });

  test("past events are sent, then the stream ends; old clients get no create events (E30, E31)", async () => {
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

  test("search and containers are empty, and there is one network (E36)", async () => {
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

  test("a JSON body must have its content type, and no trailing data", async () => {
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

import { linkImage, nameImage } from "../../../image/index.ts";
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type Answer, type DockerServer, messagesOf, startDockerServer } from "../../../../testing/docker-server.ts";
import { MediaType } from "../../../core/index.ts";
import { collect } from "../../../io/index.ts";
import { writeTar } from "../../../layer/index.ts";

async function archive(path = "hello", body = "hi\n"): Promise<Buffer> {
  return await collect(writeTar([{ path, mode: 0o644, body }]), 1 << 20, { what: "a test's archive" });
}

const query = (value: object): string => encodeURIComponent(JSON.stringify(value));

describe("images of the Engine API", () => {
  let server: DockerServer;
  before(async () => {
    server = await startDockerServer();
    const path = "/images/create?fromSrc=-&repo=base&tag=1&changes=ENV+A%3Db";
    assert.equal((await server.ask("POST", path, { body: await archive() })).status, 200);
  });
  after(async () => await server[Symbol.asyncDispose]());

  test("an untagged image is listed in the form of each API version (E21), and can be pruned", async () => {
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

  test("inspect has ContainerConfig before 1.45 only, and container fields before 1.50 only (E22)", async () => {
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

  test("tagging answers 201 without a body and ignores the request's body (E23)", async () => {
    const answer = await server.ask("POST", "/images/base:1/tag?repo=docker.io/library/other&tag=2", {
      body: "{}",
      headers: { "content-type": "application/json" },
    });
    assert.deepEqual([answer.status, answer.text], [201, ""]);
    assert.equal((await server.ask("GET", "/images/other:2/json")).status, 200);
    assert.deepEqual(JSON.parse((await server.ask("DELETE", "/images/other:2")).text), [{ Untagged: "other:2" }]);
  });

  test("an image with several names is deleted by ID only with force (S11, S12)", async () => {
    const made = await server.ask("POST", "/images/create?fromSrc=-&repo=twice&tag=1", {
      body: await archive("twice"),
    });
    const id = String(messagesOf(made)[0]?.["status"]);
    await server.ask("POST", "/images/twice:1/tag?repo=again&tag=1");
    assert.equal((await server.ask("DELETE", `/images/${id}`)).status, 409);
    const removed = await server.ask("DELETE", `/images/${id.slice(7, 19)}?force=1`);
    assert.deepEqual(JSON.parse(removed.text), [{ Untagged: "again:1" }, { Untagged: "twice:1" }, { Deleted: id }]);
  });

  test("an image whose name moves to another image stays, untagged (S5)", async () => {
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

  test("an import returns the ID, and the history has its message (E29)", async () => {
    const made = await server.ask("POST", "/images/create?fromSrc=-&repo=imported&message=from+a+test", {
      body: gzipSync(await archive()),
    });
    assert.match(made.text, /^\{"status":"sha256:[0-9a-f]{64}"\}\r\n$/);
    const [row] = JSON.parse((await server.ask("GET", "/images/imported/history")).text) as Record<string, unknown>[];
    assert.deepEqual([row?.["Comment"], row?.["CreatedBy"], row?.["Tags"]], ["from a test", "", ["imported:latest"]]);
    // Like dockerd, accepts no bytes and an archive without its last padding, but no truncated archive.
    const tar = await archive();
    const statuses: readonly (readonly [Uint8Array | string, number])[] = [
      ["no archive", 500],
      [tar.subarray(0, 513), 500],
      [gzipSync(tar).subarray(0, -4), 500],
      [tar.subarray(0, 515), 200],
      [Buffer.concat([gzipSync(tar), Buffer.from("more")]), 200],
      ["", 200],
    ];
    for (const [body, status] of statuses)
      assert.equal((await server.ask("POST", "/images/create?fromSrc=-", { body })).status, status, String(body));
  });

  test("one platform of an image can be inspected, saved and loaded", async () => {
    const { store } = server;
    const ids: string[] = [];
    for (const platform of ["linux/amd64", "linux/arm64"]) {
      const path = `/images/create?fromSrc=-&repo=one&tag=${platform.slice(6)}&platform=${platform}`;
      ids.push(String(messagesOf(await server.ask("POST", path, { body: await archive(platform) }))[0]?.["status"]));
    }
    const manifests = ["amd64", "arm64"].map((architecture) => {
      const { mediaType, digest, size } = store.images.get(`one:${architecture}`)?.descriptor ?? assert.fail();
      return { mediaType, digest, size, platform: { os: "linux", architecture } };
    });
    {
      await using lease = await store.content.lease();
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests }));
      const { digest, size } = await store.content.put(bytes, { lease });
      const target = { mediaType: MediaType.ociIndex, digest, size };
      await linkImage(store.content, target);
      await nameImage(store, "docker.io/library/one:both", target);
    }
    const asked = async (method: string, path: string, architecture: string, body?: Uint8Array): Promise<Answer> => {
      const platform = query({ os: "linux", architecture });
      return await server.ask(method, `/v1.51/images/${path}${platform}`, body && { body });
    };
    const idOf = ({ text }: Answer): unknown => (JSON.parse(text) as { Id?: string }).Id;
    const arm = await asked("GET", "one:both/json?platform=", "arm64");
    assert.deepEqual([idOf(await asked("GET", "one:both/json?platform=", "amd64")), idOf(arm)], ids);
    assert.match((await asked("GET", "one:both/history?platform=", "arm64")).text, new RegExp(ids[1] ?? ""));
    assert.deepEqual((await asked("GET", "one:both/json?platform=", "s390x")).status, 404);
    assert.deepEqual((await asked("DELETE", "one:both?platforms=", "arm64")).status, 501);
    const saved = await asked("GET", "one:both/get?platform=", "arm64");
    for (const name of ["both", "arm64", "amd64"]) await server.ask("DELETE", `/images/one:${name}`);
    const other = await asked("POST", "load?platform=", "amd64", saved.body);
    assert.match(other.text, /requested platform\(s\) \(\[linux\/amd64\]\) not found/);
    const loaded = await asked("POST", "load?platform=", "arm64", saved.body);
    assert.equal(loaded.text, '{"stream":"Loaded image: one:both\\n"}\r\n');
    assert.equal(idOf(await server.ask("GET", "/images/one:both/json")), ids[1]);
  });

  test("a saved archive is loaded with its name; a malformed archive fails in the stream (E27)", async () => {
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
});

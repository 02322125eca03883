import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { after, before, describe, test } from "node:test";
import {
  type Answer,
  type Ask,
  type DockerServer,
  askSocket,
  startDockerServer,
} from "../../../testing/docker-server.ts";
import { type Dockerd, dockerdMissing, newerDocker, startDockerd } from "../../../testing/dockerd.ts";
import { collect } from "../../io/index.ts";
import { writeTar } from "../../layer/index.ts";
import type { DockerEvent } from "./event-bus.ts";

/** A request, and the reasons why Docker's status or body has another form. */
interface Row {
  readonly method: string;
  readonly path: string;
  readonly options?: Ask;
  /** Why the status or form differs from Docker 20.10's. */
  readonly old?: string;
  /** Why the status or form differs from Docker 28's. */
  readonly recent?: string;
}

const json = { "content-type": "application/json" };
const FULL = "an engine has more to tell: containers, plugins, its own settings";
const DIGESTS = "on containerd's store every tag has a digest";
const NO_BODY = "that the context is empty is noticed first";
const NULLS = "empty lists were null then";
const WORDS = "statuses of 20.10 that later versions corrected";

const ROWS: readonly Row[] = [
  { method: "GET", path: "/_ping" },
  { method: "HEAD", path: "/_ping" },
  { method: "GET", path: "/v1.41/_ping" },
  { method: "GET", path: "/v1.99/version" },
  { method: "GET", path: "/v1.1/version" },
  { method: "GET", path: "/v1.41/version" },
  { method: "GET", path: "/v1.41/info", old: FULL, recent: FULL },
  { method: "GET", path: "/v1.41/nope" },
  { method: "DELETE", path: "/v1.41/build" },
  { method: "PUT", path: "/v1.41/images/json" },
  { method: "OPTIONS", path: "/v1.41/images/json" },
  { method: "GET", path: "/v1.41/images/json", old: NULLS, recent: DIGESTS },
  { method: "GET", path: "/v1.40/images/json?all=1", old: NULLS, recent: DIGESTS },
  { method: "GET", path: '/v1.41/images/json?filters={"reference":{"base":true}}', old: NULLS, recent: DIGESTS },
  { method: "GET", path: '/v1.41/images/json?filters={"reference":["b*"]}', old: NULLS, recent: DIGESTS },
  { method: "GET", path: '/v1.41/images/json?filters={"nope":["x"]}' },
  { method: "GET", path: "/v1.41/images/json?filters=x", old: WORDS },
  { method: "GET", path: '/v1.41/images/json?filters={"dangling":["maybe"]}' },
  { method: "GET", path: '/v1.41/images/json?filters={"before":["nope"]}' },
  {
    method: "GET",
    path: "/v1.41/images/base:1/json",
    old: "GraphDriver.Data is the driver's own; 20.10's images have no Comment of their history",
    recent: "containerd's store shows no GraphDriver.Data, and a Descriptor of its own",
  },
  { method: "GET", path: "/v1.41/images/base:1/history" },
  { method: "GET", path: "/v1.41/images/nope/json" },
  { method: "GET", path: "/v1.41/images/nope/history" },
  { method: "GET", path: "/v1.41/images/nope/get" },
  { method: "DELETE", path: "/v1.41/images/nope" },
  { method: "POST", path: "/v1.41/images/base:1/tag?repo=other&tag=2" },
  { method: "POST", path: "/v1.41/images/base:1/tag?repo=UPPER", old: WORDS },
  { method: "POST", path: "/v1.41/images/base:1/tag?repo=a&tag=%25", old: WORDS },
  { method: "POST", path: "/v1.41/images/nope/tag?repo=a" },
  { method: "DELETE", path: "/v1.41/images/other:2" },
  {
    method: "POST",
    path: "/v1.41/images/create?fromImage=scratch",
  },
  { method: "POST", path: "/v1.41/images/create?fromImage=UPPER" },
  { method: "POST", path: "/v1.41/images/load", options: { body: "no archive" } },
  { method: "POST", path: "/v1.41/images/nope/push?tag=1", options: { headers: { "x-registry-auth": "e30=" } } },
  { method: "POST", path: "/v1.41/images/prune" },
  { method: "POST", path: '/v1.41/images/prune?filters={"nope":["x"]}' },
  { method: "GET", path: "/v1.41/events?since=20&until=10" },
  { method: "GET", path: "/v1.41/events?since=10&until=20" },
  { method: "GET", path: '/v1.41/events?filters={"nope":["x"]}&since=1&until=2' },
  {
    method: "GET",
    path: "/v1.41/system/df",
    old: NULLS,
    recent: "20.10's BuilderSize was dropped later, whatever the version asked for",
  },
  { method: "GET", path: "/v1.51/system/df?type=foo" },
  { method: "POST", path: "/v1.41/build/prune" },
  { method: "POST", path: "/v1.41/build/cancel", old: WORDS },
  { method: "POST", path: "/v1.41/build/cancel?id=x" },
  { method: "POST", path: "/v1.41/build?version=3", old: WORDS },
  { method: "POST", path: "/v1.41/build?buildargs=x" },
  { method: "POST", path: "/v1.41/build?labels=x" },
  { method: "POST", path: "/v1.41/build?ulimits=x" },
  { method: "POST", path: "/v1.41/build?cachefrom=x", old: WORDS },
  { method: "POST", path: "/v1.41/build?shmsize=x" },
  { method: "POST", path: "/v1.41/build?securityopt=x" },
  { method: "POST", path: "/v1.41/build?platform=a/b/c/d", old: NO_BODY, recent: NO_BODY },
  { method: "POST", path: "/v1.41/build?isolation=nope" },
  {
    method: "POST",
    path: "/v1.41/commit?container=x&changes=RUN+x",
    recent: "the container is looked for first",
    old: "the container is looked for first",
  },
  { method: "POST", path: "/v1.41/commit?container=x" },
  {
    method: "POST",
    path: "/v1.41/commit?container=x",
    options: { body: "{}", headers: { "content-type": "text/plain" } },
  },
  {
    method: "POST",
    path: "/v1.41/commit?container=x",
    options: { body: "{} {}", headers: json },
    old: "20.10 reads no further than the first value",
  },
  { method: "GET", path: "/v1.41/containers/json" },
  { method: "GET", path: "/v1.41/containers/x/json" },
  { method: "POST", path: "/v1.41/containers/prune" },
  { method: "GET", path: "/v1.41/networks/x" },
  { method: "GET", path: "/v1.41/volumes" },
  { method: "GET", path: "/v1.41/volumes/x" },
  { method: "POST", path: "/v1.41/volumes/prune" },
  { method: "GET", path: "/v1.41/plugins/x/json" },
];

async function archiveOf(path: string, body: string): Promise<Buffer> {
  return await collect(writeTar([{ path, mode: 0o644, body }]), 1 << 20, { what: "a test's archive" });
}

const CONTEXT = await archiveOf("Dockerfile", "FROM scratch\nENV a=b\n");
const SPECIFIERS = ["foobar", "a/b/c/d", "linux/x y", "lin ux/amd64", "linux/*", "local", "linux/"];
const PLATFORMS = [{}, { os: "linux" }, { variant: "v7" }];
const OTHER = { os: "linux", architecture: "sparc" };

/** Requests with a malformed platform, or with a platform that no image has. */
const WITH_PLATFORM: readonly (readonly [method: string, path: string])[] = [
  ...["/build?", "/images/create?fromImage=x&", "/images/create?fromSrc=-&repo=x&"].flatMap((path) =>
    SPECIFIERS.map((platform) => ["POST", `${path}platform=${platform}`] as const),
  ),
  ...(
    [
      ["GET", "/images/base:1/json?platform"],
      ["GET", "/images/base:1/history?platform"],
      ["POST", "/images/load?platform"],
      ["POST", "/images/base:1/push?tag=1&platform"],
    ] as const
  ).flatMap(([method, path]) =>
    [...PLATFORMS, ...(path.startsWith("/images/load") ? [] : [OTHER])].map(
      (platform) => [method, `${path}=${JSON.stringify(platform)}`] as const,
    ),
  ),
];

/** Returns the form of a JSON value: the names and types of its fields, without their values. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (typeof value !== "object" || value === null) return value === null ? "null" : typeof value;
  return Object.fromEntries(
    Object.keys(value)
      .toSorted()
      .map((key) => [key, shapeOf((value as Record<string, unknown>)[key])]),
  );
}

function seenOf({ status, headers, text }: Answer): unknown {
  const type = headers["content-type"];
  if (text === "" || type !== "application/json") return { status, type, text: status === 200 ? text : "" };
  const messages = text
    .trim()
    .split("\r\n")
    .map((line) => JSON.parse(line) as unknown);
  // The number of progress messages before an error may differ, so only the last message is compared.
  return { status, type, shape: shapeOf(messages.at(-1)) };
}

/** Creates, tags, builds and deletes images. Returns the events without those of containers, with IDs numbered in order. */
async function imageEvents(socket: string): Promise<readonly string[]> {
  const since = Date.now() / 1000;
  const ask = async (method: string, path: string, body?: Uint8Array): Promise<Answer> => {
    const answer = await askSocket(socket, method, `/v1.51${path}`, body && { body });
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.text}`);
    return answer;
  };
  const steps = "ENV a=b\nLABEL k=v\nCOPY Dockerfile /d\nWORKDIR /w\nFROM scratch\nCOPY --from=0 /d /e\n";
  const context = await archiveOf("Dockerfile", `FROM life:1\n${steps}`);
  await ask("POST", "/images/create?fromSrc=-&repo=life&tag=1&changes=LABEL%20q=w", await archiveOf("a", "life"));
  await ask("POST", "/images/life:1/tag?repo=life&tag=2");
  const { body } = await ask("GET", "/images/get?names=life:1");
  await ask("POST", "/build?t=life:3&networkmode=none", context);
  await ask("POST", "/build?t=life:3&networkmode=none", context);
  await ask("DELETE", "/images/life:2");
  await ask("POST", "/images/load", body);
  await ask("DELETE", "/images/life:3");
  await ask("POST", "/build/prune");
  // Events have times in ns, so the next millisecond is later than all of them.
  const until = (Date.now() + 1) / 1000;
  const { text } = await ask("GET", `/events?since=${since.toFixed(3)}&until=${until.toFixed(3)}`);
  const events = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as DockerEvent & { readonly status?: string; readonly id?: string })
    .filter(({ Type }) => Type !== ("container" as string))
    // The name of an untag event is a reference with containerd's store, and an ID with graph drivers. Steps of a removed image are
    // still cached here, so that pruning the cache frees space.
    .map(({ time: _time, timeNano: _nano, ...event }) =>
      event.Action === "untag" || event.Action === "prune"
        ? { ...event, Actor: { ID: event.Actor.ID, Attributes: {} } }
        : event,
    );
  const ids = new Map<string, number>();
  return events.map((event) =>
    JSON.stringify(sorted(event)).replaceAll(/[0-9a-f]{64}/g, (id) => {
      if (!ids.has(id)) ids.set(id, ids.size);
      return `id ${ids.get(id)}`;
    }),
  );
}

/** Returns a JSON value with sorted keys. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  );
}

describe("compared with the Docker daemon", { skip: dockerdMissing() }, () => {
  let server: DockerServer;
  const daemons: { readonly key: "old" | "recent"; readonly daemon: Dockerd }[] = [];
  before(async () => {
    const newer = newerDocker();
    server = await startDockerServer();
    daemons.push({ key: "old", daemon: await startDockerd({ experimental: true }) });
    if (newer !== undefined) daemons.push({ key: "recent", daemon: await startDockerd({ newer, experimental: true }) });
    const body = await archiveOf("a", "a");
    const changes = ["ENV A=b", 'CMD ["x"]', "LABEL l=m"]
      .map((change) => `&changes=${encodeURIComponent(change)}`)
      .join("");
    for (const socket of [server.socket, ...daemons.map(({ daemon }) => daemon.socket)])
      assert.equal(
        (await askSocket(socket, "POST", `/images/create?fromSrc=-&repo=base&tag=1&message=m${changes}`, { body }))
          .status,
        200,
      );
  });
  after(async () => {
    for (const { daemon } of daemons) await daemon[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  for (const row of ROWS)
    test(`${row.method} ${row.path}${row.options?.body === undefined ? "" : ` with ${String(row.options.body)}`}`, async () => {
      const path = encodeURI(row.path).replaceAll("%2525", "%25");
      const ours = seenOf(await server.ask(row.method, path, row.options));
      const differing = [];
      for (const { key, daemon } of daemons) {
        const theirs = seenOf(await askSocket(daemon.socket, row.method, path, row.options));
        if (!isDeepStrictEqual(ours, theirs)) differing.push(key);
        if (row[key] === undefined) assert.deepEqual(ours, theirs, key);
      }
      const listed = daemons.map(({ key }) => key).filter((key) => row[key] !== undefined);
      assert.deepEqual(differing, listed, "what the table says differs no longer does");
    });

  test("events of images are those of a current Docker daemon", async (t) => {
    const recent = daemons.find(({ key }) => key === "recent");
    if (recent === undefined) return t.skip("it cannot be had here");
    const [ours, theirs] = [await imageEvents(server.socket), await imageEvents(recent.daemon.socket)];
    assert.deepEqual(ours, theirs);
    assert.equal(ours.length, 16);
  });

  for (const [method, path] of WITH_PLATFORM)
    test(`${method} ${path} gets the error message of a current Docker daemon`, async (t) => {
      const recent = daemons.find(({ key }) => key === "recent");
      if (recent === undefined) return t.skip("it cannot be had here");
      const options = { ...(method === "POST" && { body: CONTEXT }), headers: { "x-registry-auth": "e30=" } };
      const [ours, theirs] = await Promise.all(
        [server.socket, recent.daemon.socket].map(
          async (socket) => await askSocket(socket, method, encodeURI(`/v1.51${path}`), options),
        ),
      );
      const last = (answer: Answer | undefined): unknown => answer?.text.trim().split("\r\n").at(-1);
      assert.deepEqual([ours?.status, last(ours)], [theirs?.status, last(theirs)]);
    });
});

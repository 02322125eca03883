import assert from "node:assert/strict";
import { after, before, beforeEach, suite, test } from "node:test";
import { CacheFixture, SMALL_STEPS } from "../../testing/cache-fixture.ts";
import { type FaultProxy, startFaultProxy } from "../../testing/fault-proxy.ts";
import { type S3Server, S3_KEYS, s3Missing, startS3 } from "../../testing/s3-server.ts";
import { Varve, buildsUnavailable } from "../../testing/varve.ts";
import type { CacheSpec } from "../../src/engine/index.ts";

const skip = buildsUnavailable() ?? s3Missing() ?? false;
const NOWHERE = { outputs: [{ type: "cacheonly" }] } as const;
const OCI = { outputs: [{ type: "oci", dest: "/dev/null" }] } as const;

suite("caches in S3", { skip }, () => {
  const stack = new AsyncDisposableStack();
  let server: S3Server;
  let proxy: FaultProxy;
  let fixture: CacheFixture;
  let number = 0;
  let prefix: string;
  before(async () => {
    server = stack.use(await startS3());
    proxy = stack.use(await startFaultProxy({ upstream: server.host }));
    fixture = stack.use(await CacheFixture.open());
  });
  after(() => stack.disposeAsync());
  beforeEach(() => {
    proxy.fault = () => undefined;
    prefix = `t${(number += 1)}/`;
  });

  const attributes = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
    bucket: "bk",
    region: "us-east-1",
    endpoint_url: `http://${proxy.host}`,
    use_path_style: "true",
    prefix,
    access_key_id: S3_KEYS.id,
    secret_access_key: S3_KEYS.secret,
    mode: "max",
    retry_max_attempts: "1",
    ...more,
  });
  const s3 = (more: Readonly<Record<string, string>> = {}): CacheSpec => ({ type: "s3", attrs: attributes(more) });
  const text = (more: Readonly<Record<string, string>> = {}): string =>
    ["type=s3", ...Object.entries(attributes(more)).map(([key, value]) => `${key}=${value}`)].join(",");
  const objects = (method: string, from = 0): string[] =>
    server.requests
      .slice(from)
      .filter((request) => request.method === method && request.status < 300)
      .map(({ path }) => path.replace(`/bk/${prefix}`, ""));

  test("what one root exports, another takes every step from; and nothing that it does not read", async () => {
    await fixture.build({ ...NOWHERE, cacheTo: [s3()] });
    assert.deepEqual(
      objects("PUT")
        .filter((key) => !key.startsWith("blobs/sha256:"))
        .slice(-1),
      ["manifests/buildkit"],
    );
    const from = server.requests.length;
    const { ran, hits, warnings } = await fixture.build({ ...NOWHERE, cacheFrom: [s3()] });
    assert.deepEqual([ran, warnings], [[], []]);
    assert.equal(hits.length, SMALL_STEPS);
    assert.deepEqual(objects("GET", from), ["manifests/buildkit"]);
  });

  test("layers are fetched when they are needed, by a later build too, with the keys of the machine", async () => {
    await fixture.build({ ...NOWHERE, cacheTo: [s3()] });
    const root = fixture.newRoot();
    await fixture.build({ ...NOWHERE, cacheFrom: [s3()] }, { root });
    const before = { ...process.env };
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: S3_KEYS.id, AWS_SECRET_ACCESS_KEY: S3_KEYS.secret });
    try {
      const from = server.requests.length;
      const { ran } = await fixture.build({ ...OCI }, { root });
      assert.deepEqual(ran, []);
      assert.ok(objects("GET", from).every((key) => key.startsWith("blobs/sha256:")));
    } finally {
      process.env = before;
    }
  });

  test("a second export of the same sends nothing; old blobs are touched", async () => {
    await fixture.build({ ...NOWHERE, cacheTo: [s3()] });
    const again = server.requests.length;
    await fixture.build({ ...NOWHERE, cacheTo: [s3()], cacheFrom: [s3()] });
    assert.deepEqual(objects("PUT", again), []);
    const touching = server.requests.length;
    // s3rver rounds times down to seconds.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await fixture.build({ ...NOWHERE, cacheTo: [s3({ touch_refresh: "1ms" })], cacheFrom: [s3()] });
    const copies = server.requests.slice(touching).filter(({ headers }) => headers["x-amz-copy-source"] !== undefined);
    assert.ok(copies.length > 0);
    assert.deepEqual(
      objects("PUT", touching).filter((key) => !key.startsWith("blobs/")),
      [],
    );
  });

  test("exports keep each other's records, and names are written all and read the first", async () => {
    await fixture.build({ ...NOWHERE, buildArgs: { LAST: "1" }, cacheTo: [s3({ scope: "one", name: "a;b" })] });
    await fixture.build({ ...NOWHERE, buildArgs: { LAST: "2" }, cacheTo: [s3({ scope: "two", name: "a" })] });
    for (const [LAST, name] of [
      ["1", "a"],
      ["2", "a"],
      ["1", "b;a"],
    ] as const) {
      const { ran } = await fixture.build({ ...NOWHERE, buildArgs: { LAST }, cacheFrom: [s3({ name })] });
      assert.deepEqual(ran, [], `${LAST} of ${name}`);
    }
    const { ran } = await fixture.build({ ...NOWHERE, buildArgs: { LAST: "2" }, cacheFrom: [s3({ name: "b;a" })] });
    assert.equal(ran.length, 1);
  });

  test("of writers at the same time, none loses its records: with and without conditions", async () => {
    const writers = ["1", "2", "3"];
    await using ignoring = await startS3({ conditions: "ignored" });
    for (const more of [{}, { endpoint_url: ignoring.url }]) {
      await Promise.all(
        writers.map((LAST) =>
          fixture.build({ ...NOWHERE, buildArgs: { LAST }, cacheTo: [s3({ ...more, scope: LAST })] }),
        ),
      );
      for (const LAST of writers) {
        const { ran } = await fixture.build({ ...NOWHERE, buildArgs: { LAST }, cacheFrom: [s3(more)] });
        assert.deepEqual(ran, [], `${LAST} of ${JSON.stringify(more)}`);
      }
    }
  });

  test("a blob that is gone, or is another, is a miss: the step runs", async () => {
    await fixture.build({ ...NOWHERE, cacheTo: [s3()] });
    proxy.fault = ({ method, url }) =>
      method === "GET" && url.includes("/blobs/")
        ? { kind: "status", status: 404, body: "<Error><Code>NoSuchKey</Code></Error>" }
        : undefined;
    const gone = await fixture.build({ ...OCI, cacheFrom: [s3()] });
    assert.ok(gone.ran.length > 0);
    proxy.fault = ({ method, url }) => (method === "GET" && url.includes("/blobs/") ? { kind: "corrupt" } : undefined);
    const wrong = await fixture.build({ ...OCI, cacheFrom: [s3()] });
    assert.ok(wrong.ran.length > 0);
  });

  test("a cache that cannot be read is empty; only a missing document is silent", async () => {
    const missing = await fixture.build({ ...NOWHERE, cacheFrom: [s3()] });
    assert.deepEqual([missing.ran.length, missing.warnings], [SMALL_STEPS, []]);
    await using varve = await Varve.open();
    const build = ["--network=none", "-o", "type=cacheonly", fixture.context];
    for (const [more, message] of [
      [{ bucket: "absent" }, /NoSuchBucket/],
      [{ secret_access_key: "wrong-secret-access-key" }, /SignatureDoesNotMatch/],
      [{ endpoint_url: "http://127.0.0.1:9" }, /ECONNREFUSED/],
    ] as const) {
      const { stderr } = await varve.build(["--no-cache", "--cache-from", text(more), ...build]);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /wrong-secret/);
    }
  });

  test("wrong attributes are errors before the build, always; errors of writing only with ignore-error=false", async () => {
    for (const [more, message] of [
      [{ upload_parallelism: "0" }, /upload_parallelism must be a positive integer/],
      [{ retry_mode: "x" }, /retry_mode must be "standard" or "adaptive"/],
      [{ bucket: "" }, /bucket \(\$AWS_BUCKET\) not set/],
    ] as const)
      await assert.rejects(fixture.build({ ...NOWHERE, cacheTo: [s3(more)] }), {
        code: "invalid-argument",
        message,
      });
    await assert.rejects(fixture.build({ ...NOWHERE, cacheTo: [s3({ bucket: "absent", "ignore-error": "false" })] }), {
      message: /NoSuchBucket|404/,
    });
    const { warnings } = await fixture.build({
      ...NOWHERE,
      cacheTo: [s3({ bucket: "absent" })],
    });
    assert.match(warnings.join("\n"), /not exported to s3:\/\/absent/);
  });

  test("the commands list, export, import and prune", async () => {
    await using varve = await Varve.open();
    const keys = { env: { AWS_ACCESS_KEY_ID: S3_KEYS.id, AWS_SECRET_ACCESS_KEY: S3_KEYS.secret } };
    const place = text({ access_key_id: "", secret_access_key: "" });
    const succeed = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await varve.run(args, keys);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    for (const LAST of ["1", "2"]) {
      const made = ["--network=none", "--build-arg", `LAST=${LAST}`, "-o", "type=cacheonly", fixture.context];
      await varve.build(["--cache-to", `${place},scope=s`, ...made], keys);
    }
    const listed = JSON.parse(await succeed("cache", "ls", "--format=json", place)) as { scopes: unknown[] };
    assert.equal(listed.scopes.length, 2);
    const pruned = JSON.parse(await succeed("cache", "prune", "--target", place, "--format=json")) as {
      generations: number;
    };
    assert.equal(pruned.generations, 1);
    await succeed("cache", "export", "--to", place);
    await using other = await Varve.open();
    const imported = await other.run(["cache", "import", "--fetch", place], keys);
    assert.equal(imported.code, 0, imported.stderr);
    const { steps } = await other.build([
      "--network=none",
      "--build-arg",
      "LAST=2",
      "-o",
      "type=cacheonly",
      fixture.context,
    ]);
    assert.ok(steps.length > 0 && steps.every(({ status }) => status !== "run"));
  });
});

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { objectStoreContract } from "../../../testing/contracts/object-store.ts";
import { type FaultProxy, startFaultProxy } from "../../../testing/fault-proxy.ts";
import { type S3Server, type S3ServerOptions, S3_KEYS, s3Missing, startS3 } from "../../../testing/s3-server.ts";
import { collect } from "../../io/index.ts";
import { type ObjectStore, objectBody, openS3 } from "../index.ts";
import { BucketAddress } from "./address.ts";

const KEYS = { accessKeyId: S3_KEYS.id, secretAccessKey: S3_KEYS.secret };
const text = (content: string): ReturnType<typeof objectBody> => objectBody(Buffer.from(content));

suite("S3", { skip: s3Missing() ?? false }, () => {
  const stack = new AsyncDisposableStack();
  let server: S3Server;
  let proxy: FaultProxy;
  let store: ObjectStore;

  const open = (options: Partial<Parameters<typeof openS3>[0]> = {}): ObjectStore =>
    stack.use(
      openS3({
        bucket: "bk",
        region: "us-east-1",
        endpoint: `http://${proxy.host}`,
        pathStyle: true,
        keys: KEYS,
        env: {},
        ...options,
      }),
    );

  before(async () => {
    server = stack.use(await startS3());
    proxy = stack.use(await startFaultProxy({ upstream: server.host }));
    store = open();
  });
  after(() => stack.disposeAsync());

  objectStoreContract("S3", () => store, { touchSetsTime: false });

  test("a touch copies the object onto itself with new metadata, and sends no content", async () => {
    await store.put("touched/a b:c", text("content"));
    await store.touch("touched/a b:c", (await store.head("touched/a b:c")) ?? assert.fail());
    const { headers, status } = server.requests.at(-1) ?? assert.fail();
    assert.equal(status, 200);
    assert.equal(headers["x-amz-copy-source"], "bk/touched/a%20b:c");
    assert.equal(headers["x-amz-metadata-directive"], "REPLACE");
    assert.match(String(headers["x-amz-meta-updated-at"]), /^\d{4}-/);
  });

  /** Spoils the first `times` requests whose method and URL match. */
  function spoil(times: number, what: RegExp, status: number, code: string): () => number {
    let spoiled = 0;
    proxy.fault = ({ method, url }) => {
      if (spoiled >= times || !what.test(`${method} ${url}`)) return undefined;
      spoiled += 1;
      const body = `<Error><Code>${code}</Code><Message>spoiled</Message></Error>`;
      return { kind: "status", status, headers: { "retry-after": "0", date: new Date().toUTCString() }, body };
    };
    return () => spoiled;
  }

  test("large objects are sent in parts of 8 MiB, and a failed part aborts the upload", async () => {
    const from = server.requests.length;
    await store.put("parts", objectBody(Buffer.alloc(20 * 1_048_576)));
    const sent = server.requests
      .slice(from)
      .map(({ method, query }) => `${method} ${query.replace(/uploadId=[^&]*/, "id")}`);
    assert.deepEqual(sent.toSorted(), [
      "POST id",
      "POST uploads=",
      "PUT partNumber=1&id",
      "PUT partNumber=2&id",
      "PUT partNumber=3&id",
    ]);
    spoil(1, /PUT .*partNumber=2/, 403, "AccessDenied");
    const next = server.requests.length;
    await assert.rejects(store.put("failed", objectBody(Buffer.alloc(20 * 1_048_576))), { code: "unauthorized" });
    assert.ok(server.requests.slice(next).some(({ method }) => method === "DELETE"));
    assert.equal(await store.head("failed"), undefined);
  });

  test("throttling and broken connections are retried", async () => {
    for (const [status, code] of [
      [503, "SlowDown"],
      [429, "TooManyRequests"],
      [500, "InternalError"],
    ] as const) {
      const spoiled = spoil(2, /PUT/, status, code);
      await store.put("retried", text(code));
      assert.equal(spoiled(), 2);
    }
    let cuts = 0;
    proxy.fault = () => ((cuts += 1) <= 2 ? { kind: "reset" } : undefined);
    assert.equal((await store.head("retried"))?.size, "InternalError".length);
    proxy.fault = () => undefined;
  });

  test("a download that breaks off goes on where it was", async () => {
    const bytes = Buffer.alloc(3_000_000, "resumed ");
    await store.put("resumed", objectBody(bytes));
    const from = server.requests.length;
    let cuts = 0;
    proxy.fault = () => ((cuts += 1) <= 2 ? { kind: "reset", after: 1_000_000 } : undefined);
    const opened = await store.get("resumed");
    assert.deepEqual(await collect(opened?.bytes ?? assert.fail(), bytes.length, { what: "it" }), bytes);
    proxy.fault = () => undefined;
    assert.equal(server.requests.slice(from).filter(({ headers }) => headers.range !== undefined).length, 2);
  });

  test("a clock that is wrong is corrected by the server's", async () => {
    const own = open();
    await own.put("clock", text("tick"));
    const later = new Date(Date.now() + 3_600_000);
    const times: (string | string[] | undefined)[] = [];
    proxy.fault = ({ headers }) => {
      times.push(headers["x-amz-date"]);
      if (times.length > 1) return undefined;
      return { kind: "status", status: 403, headers: { date: later.toUTCString() } };
    };
    await own.head("clock");
    proxy.fault = () => undefined;
    const hour = later.toISOString().replace(/[-:]/g, "").slice(0, 11);
    assert.equal(times.length, 2);
    assert.ok(String(times[1]).startsWith(hour), `${String(times[1])} starts with ${hour}`);
  });

  test("errors say what the store said, and no keys", async () => {
    const wrong = open({ keys: { ...KEYS, secretAccessKey: "not-the-secret-key-of-anybody" } });
    await assert.rejects(wrong.get("x"), (error: Error & { code?: string }) => {
      assert.equal(error.code, "unauthorized");
      assert.match(error.message, /s3:\/\/bk\/x.*SignatureDoesNotMatch/);
      assert.doesNotMatch(error.message, /not-the-secret/);
      return true;
    });
    await assert.rejects(open({ bucket: "no-such-bucket" }).get("x"), { code: "remote", message: /NoSuchBucket/ });
    const dead = open({ endpoint: "http://127.0.0.1:9", attempts: 1 });
    await assert.rejects(dead.head("x"), { code: "remote" });
  });

  test("without any credentials it says so", async () => {
    const env = { HOME: "/nonexistent", AWS_EC2_METADATA_DISABLED: "true" };
    await assert.rejects(open({ keys: undefined, env }).head("x"), {
      code: "unauthorized",
      message: /no AWS credentials/,
    });
  });

  async function storeWith(
    options: S3ServerOptions,
    more: Partial<Parameters<typeof openS3>[0]> = {},
  ): Promise<ObjectStore> {
    const other = stack.use(await startS3(options));
    return open({ endpoint: other.url, ...more });
  }

  test("a store that ignores conditions is unproven; one that refuses them is not sent any", async () => {
    const absent = { condition: { kind: "absent" } } as const;
    const ignoring = await storeWith({ conditions: "ignored" });
    await ignoring.put("x", text("1"), absent);
    assert.equal((await ignoring.put("x", text("2"), absent)).kind, "written");
    assert.equal(ignoring.conditionalWrites, "unproven");
    const refusing = await storeWith({ conditions: "refused" });
    assert.equal((await refusing.put("x", text("1"), absent)).kind, "written");
    assert.equal(refusing.conditionalWrites, "refused");
    assert.equal((await refusing.put("x", text("2"), absent)).kind, "written");
  });

  test("a session token is sent and signed", async () => {
    const keys = { ...KEYS, sessionToken: "token-of-the-session" };
    const own = await storeWith({ sessionToken: keys.sessionToken }, { keys });
    assert.equal((await own.put("x", text("1"))).kind, "written");
  });
});

suite("the address of a bucket", () => {
  const urlOf = (place: ConstructorParameters<typeof BucketAddress>[0], key = "k/sha256:1"): string =>
    new BucketAddress(place).url(key).href;

  test("has the bucket in the host, or in the path", () => {
    const place = { bucket: "bk", region: "eu-central-1" };
    assert.equal(urlOf(place), "https://bk.s3.eu-central-1.amazonaws.com/k/sha256%3A1");
    assert.equal(urlOf({ ...place, region: "cn-north-1" }), "https://bk.s3.cn-north-1.amazonaws.com.cn/k/sha256%3A1");
    assert.equal(urlOf({ ...place, bucket: "a.b" }), "https://s3.eu-central-1.amazonaws.com/a.b/k/sha256%3A1");
    const endpoint = "http://store.example:9000";
    assert.equal(urlOf({ ...place, endpoint }), "http://bk.store.example:9000/k/sha256%3A1");
    assert.equal(urlOf({ ...place, endpoint, pathStyle: true }), "http://store.example:9000/bk/k/sha256%3A1");
    assert.equal(
      urlOf({ ...place, endpoint: `${endpoint}/base/`, pathStyle: true }),
      "http://store.example:9000/base/bk/k/sha256%3A1",
    );
  });

  test("takes nothing that would lead elsewhere", () => {
    const place = { bucket: "bk", region: "r" };
    for (const wrong of [
      { bucket: "a/b" },
      { bucket: ".." },
      { region: "evil.example/" },
      { endpoint: "ftp://x" },
      { endpoint: "http://u:p@x" },
    ])
      assert.throws(() => new BucketAddress({ ...place, ...wrong }), { code: "invalid-argument" });
    for (const key of ["..", "a/../b", "./a", "x".repeat(1025)])
      assert.throws(() => urlOf(place, key), { code: "invalid-argument" });
  });
});

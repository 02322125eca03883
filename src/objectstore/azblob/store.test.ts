import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import {
  AZURE_ACCOUNT,
  type AzureServer,
  azureMissing,
  sharedAccessSignature,
  startAzure,
} from "../../../testing/azure-server.ts";
import { objectStoreContract } from "../../../testing/contracts/object-store.ts";
import { type FaultProxy, startFaultProxy } from "../../../testing/fault-proxy.ts";
import { collect } from "../../io/index.ts";
import { digestOf } from "../../core/index.ts";
import { type AzureBlobOptions, type ObjectStore, objectBody, openAzureBlobs } from "../index.ts";
import { ContainerAddress } from "./address.ts";

const text = (content: string): ReturnType<typeof objectBody> => objectBody(Buffer.from(content));

suite("Azure Blob Storage", { skip: azureMissing() ?? false }, () => {
  const stack = new AsyncDisposableStack();
  let server: AzureServer;
  let proxy: FaultProxy;
  let store: ObjectStore;

  const open = (options: Partial<AzureBlobOptions> = {}): ObjectStore => {
    const accountUrl = `http://${proxy.host}/${AZURE_ACCOUNT.name}`;
    const account = { accountUrl, account: AZURE_ACCOUNT.name, key: AZURE_ACCOUNT.key };
    return stack.use(openAzureBlobs({ ...account, container: "caches", env: {}, ...options }));
  };

  before(async () => {
    server = stack.use(await startAzure());
    proxy = stack.use(await startFaultProxy({ upstream: server.host }));
    store = open();
  });
  after(() => stack.disposeAsync());

  objectStoreContract("Azure Blob Storage", () => store, { touchSetsTime: true });

  test("a container that does not exist is empty; a write creates it, and so does what prepares for one", async () => {
    const lazy = open({ container: "lazy" });
    assert.equal(await lazy.head("x"), undefined);
    assert.equal(await lazy.get("x"), undefined);
    assert.deepEqual(await Array.fromAsync(lazy.list("")), []);
    await lazy.put("x", text("1"));
    assert.equal((await lazy.head("x"))?.size, 1);
    const prepared = open({ container: "prepared" });
    await prepared.prepare();
    await prepared.prepare();
    assert.equal((await prepared.put("x", text("1"), { condition: { kind: "absent" } })).kind, "written");
  });

  test("large blobs are sent in blocks; writers of the same content do not disturb each other", async () => {
    const bytes = Buffer.alloc(20 * 1_048_576, "shared");
    const body = { ...objectBody(bytes), digest: digestOf(bytes) };
    const from = proxy.requests.length;
    const absent = { condition: { kind: "absent" } } as const;
    const written = await Promise.all(
      Array.from({ length: 3 }, async () => (await store.put("blocks", body, absent)).kind),
    );
    assert.equal(written.filter((kind) => kind === "written").length, 1);
    const blocks = proxy.requests.slice(from).filter(({ url }) => /blockid=.*comp=block$/.test(url));
    assert.equal(new Set(blocks.map(({ url }) => url)).size, 3);
    assert.equal((await store.put("blocks", body)).kind, "written");
    assert.equal((await store.head("blocks"))?.size, bytes.length);
  });

  test("throttling and broken connections are retried, downloads resumed", async () => {
    const bytes = Buffer.alloc(3_000_000, "resumed ");
    let faults = 0;
    proxy.fault = ({ method }) => {
      if (method !== "PUT" || (faults += 1) > 3) return undefined;
      return faults === 1
        ? { kind: "reset" }
        : { kind: "status", status: 500 + faults, headers: { "retry-after": "0" } };
    };
    await store.put("resumed", objectBody(bytes));
    let cuts = 0;
    proxy.fault = () => ((cuts += 1) <= 2 ? { kind: "reset", after: 1_000_000 } : undefined);
    const opened = await store.get("resumed");
    assert.deepEqual(await collect(opened?.bytes ?? assert.fail(), bytes.length, { what: "it" }), bytes);
    proxy.fault = () => undefined;
    assert.equal(cuts, 3);
  });

  test("a clock that is wrong is corrected by the server's", async () => {
    const later = new Date(Date.now() + 3_600_000);
    const times: string[] = [];
    proxy.fault = ({ headers }) => {
      times.push(String(headers["x-ms-date"]));
      if (times.length > 1) return undefined;
      return { kind: "status", status: 403, headers: { date: later.toUTCString() } };
    };
    await open()
      .head("absent")
      .catch(() => undefined);
    proxy.fault = () => undefined;
    assert.equal(times.length, 2);
    assert.ok(Date.parse(times[1] ?? "") - later.getTime() > -60_000);
  });

  test("shared access signatures authorize, and no message contains them", async () => {
    const sharedAccessSignatureOf = sharedAccessSignature();
    const own = open({ key: undefined, sharedAccessSignature: `?${sharedAccessSignatureOf}`, container: "signed" });
    await own.prepare();
    await own.put("x", objectBody(Buffer.alloc(17_000_000)));
    assert.equal((await own.head("x"))?.size, 17_000_000);
    const weak = open({ key: undefined, sharedAccessSignature: sharedAccessSignature({ permissions: "r" }) });
    await assert.rejects(weak.put("x", text("1")), (error: Error & { code?: string }) => {
      assert.equal(error.code, "unauthorized");
      assert.doesNotMatch(error.message, /sig=/);
      return true;
    });
    const env = { AZURE_STORAGE_ACCOUNT: AZURE_ACCOUNT.name, AZURE_STORAGE_SAS_TOKEN: sharedAccessSignatureOf };
    assert.ok(await open({ key: undefined, env }).head("blocks"));
  });

  test("errors say what the store said, and no keys", async () => {
    const key = Buffer.from("not-the-key-of-anybody").toString("base64");
    const wrong = open({ key });
    for (const ask of [() => wrong.get("x"), () => wrong.head("x"), () => wrong.prepare()])
      await assert.rejects(ask, (error: Error & { code?: string }) => {
        assert.equal(error.code, "unauthorized");
        assert.match(error.message, /azblob:\/\/acct\/caches.*(?:AuthenticationFailed|AuthorizationFailure)/);
        assert.ok(!error.message.includes(key));
        return true;
      });
    const dead = open({ accountUrl: "http://127.0.0.1:9/acct", attempts: 1 });
    await assert.rejects(dead.prepare(), { code: "remote" });
  });
});

suite("the address of a container", () => {
  const place = { accountUrl: "https://ci.blob.core.windows.net", container: "caches" };

  test("has the account in the host, or is told it", () => {
    const address = new ContainerAddress(place);
    assert.equal(address.account, "ci");
    assert.equal(address.url("b/sha256:1").href, "https://ci.blob.core.windows.net/caches/b/sha256%3A1");
    const local = new ContainerAddress({ ...place, accountUrl: "http://127.0.0.1:10000/dev/", account: "dev" });
    assert.equal(local.url("", { comp: "list" }).href, "http://127.0.0.1:10000/dev/caches?comp=list");
  });

  test("takes nothing that would lead elsewhere", () => {
    for (const wrong of [
      { container: "cc" },
      { container: "a/../b" },
      { container: "UPPER" },
      { container: "a--b" },
      { accountUrl: "ftp://x" },
      { accountUrl: "https://u:p@x" },
      { accountUrl: "https://x?sig=1" },
      { account: "a/b" },
    ])
      assert.throws(() => new ContainerAddress({ ...place, ...wrong }), { code: "invalid-argument" });
    for (const key of ["..", "a/../b", "./a", "x".repeat(1025)])
      assert.throws(() => new ContainerAddress(place).url(key), { code: "invalid-argument" });
    for (const key of ["not base64!", "%%"])
      assert.throws(() => openAzureBlobs({ ...place, key, env: {} }), { code: "invalid-argument" });
    assert.throws(() => openAzureBlobs({ ...place, sharedAccessSignature: "sv=1", env: {} }), {
      code: "invalid-argument",
    });
  });
});

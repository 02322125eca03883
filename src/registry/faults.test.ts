import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type Descriptor, VarveError, digestOf, isVarveError, parseReference } from "../core/index.ts";
import { bytesOf, collect } from "../io/index.ts";
import { type Fault, type FaultProxy, type SeenRequest, startFaultProxy } from "../../testing/fault-proxy.ts";
import { noise, putImage, putIndex, temporaryStore } from "../../testing/images.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { ANONYMOUS, Registry, type TransferEvent, pull, push } from "./index.ts";

const missing = registryMissing();
const anonymous = (): Promise<typeof ANONYMOUS> => Promise.resolve(ANONYMOUS);
const SIZE = 200_000;

/** Every way a server can fail, and what is expected when it fails so once: to get over it, or to say why not. */
const FAULTS: readonly (readonly [fault: Fault, once: "overcome" | "either"])[] = [
  [{ kind: "status", status: 500 }, "overcome"],
  [{ kind: "status", status: 503, headers: { "retry-after": "0" } }, "overcome"],
  [{ kind: "status", status: 429, headers: { "retry-after": "0" } }, "overcome"],
  [{ kind: "status", status: 400, body: "<html>no</html>" }, "either"],
  [{ kind: "status", status: 401 }, "either"],
  [{ kind: "status", status: 403, body: '{"errors":[{"code":"DENIED","message":"no\\u001b[31m"}]}' }, "either"],
  [{ kind: "status", status: 404 }, "either"],
  [{ kind: "status", status: 200 }, "either"],
  [{ kind: "status", status: 200, headers: { "content-type": "application/json" }, body: "{" }, "either"],
  [{ kind: "status", status: 206, headers: { "content-range": "bytes 5-9/10" }, body: "12345" }, "either"],
  [{ kind: "status", status: 302, headers: { location: "ftp://127.0.0.1/" } }, "either"],
  [{ kind: "status", status: 307, headers: { location: "/v2/" } }, "either"],
  [{ kind: "reset" }, "overcome"],
  [{ kind: "reset", after: 100 }, "overcome"],
  [{ kind: "stall" }, "overcome"],
  [{ kind: "stall", after: 100 }, "overcome"],
  [{ kind: "truncate", after: 100 }, "either"],
  [{ kind: "corrupt" }, "either"],
  [{ kind: "garbage" }, "either"],
  [{ kind: "headers", set: { "docker-content-digest": `sha256:${"0".repeat(64)}` } }, "either"],
  [{ kind: "headers", set: { "content-type": "text/html" } }, "either"],
  [{ kind: "headers", set: { "content-type": "application/vnd.docker.distribution.manifest.v1+prettyjws" } }, "either"],
];

function nameOf(fault: Fault): string {
  return JSON.stringify(fault).slice(0, 80);
}

suite("a registry that fails", { skip: missing ?? false }, () => {
  let server: RegistryServer;
  let proxy: FaultProxy;
  let target: Descriptor;

  const connect = (): Registry =>
    new Registry({
      credentials: anonymous,
      env: {},
      timeouts: { idle: 150 },
      retry: { first: 1, longest: 4 },
      config: { registries: { [proxy.host]: { http: true } } },
    });

  before(async () => {
    server = await startRegistry();
    proxy = await startFaultProxy({ upstream: server.host });
    await using from = await temporaryStore();
    const amd64 = await putImage(from, { layers: [noise(SIZE), noise(SIZE, 2)] });
    target = await putIndex(from, [amd64]);
    using registry = connect();
    const parts: string[] = [];
    const part = async <T>(id: string, work: () => Promise<T>): Promise<T> => {
      parts.push(id);
      return await work();
    };
    const names = ["1", "2"].map((tag) => parseReference(`${server.host}/app:${tag}`));
    await push(registry, names, { store: from.store, target, part });
    assert.deepEqual(parts, [
      "pushing layers",
      `pushing manifest for ${server.host}/app:1@${target.digest}`,
      `pushing manifest for ${server.host}/app:2@${target.digest}`,
    ]);
  });
  after(async () => {
    await proxy[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  /** Pulls through the proxy; gives the error, or undefined if the whole image came. */
  async function tryPull(fault: (request: SeenRequest) => Fault | undefined): Promise<unknown> {
    await using into = await temporaryStore();
    using registry = connect();
    const { store, lease } = into;
    const first = proxy.requests.length;
    proxy.fault = (request) => fault({ ...request, number: request.number - first });
    try {
      const reference = parseReference(`${proxy.host}/app:1`);
      await pull(registry, reference, { store, lease, platform: { os: "linux", architecture: "amd64" } });
      assert.equal([...store.walk()].length, 5);
      return undefined;
    } catch (error) {
      assert.equal(store.info(target.digest), undefined, "no manifest is left behind");
      await lease[Symbol.asyncDispose]();
      await store.collect();
      assert.deepEqual([...store.walk()], [], "nothing is left behind");
      return error;
    } finally {
      proxy.fault = () => undefined;
      assert.deepEqual((await store.verify()).damaged, []);
    }
  }

  function assertClear(error: unknown, name: string): void {
    assert.ok(error instanceof VarveError, `${name}: ${String(error)}`);
    assert.match(error.message, /^Cannot /, name);
    assert.notEqual(error.code, "internal", name);
    // oxlint-disable-next-line no-control-regex -- that none is there is the point
    assert.doesNotMatch(error.message, /[\u0000-\u001f]/, name);
    assert.ok(error.message.length < 1000, name);
  }

  for (const [fault, once] of FAULTS) {
    test("a registry that calls a right digest wrong is asked again, one that does so for a wrong digest is not", async () => {
      const body = '{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded content"}]}';
      using registry = connect();
      const bytes = Buffer.from(
        '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
      );
      const mediaType = "application/vnd.oci.image.index.v1+json";
      const descriptor = (of: string | Buffer): Descriptor => ({ mediaType, digest: digestOf(of), size: bytes.length });
      let puts = 0;
      proxy.fault = ({ method }) => {
        if (method !== "PUT") return undefined;
        puts += 1;
        return puts < 3 ? { kind: "status", status: 400, body } : undefined;
      };
      const reference = parseReference(`${proxy.host}/app`);
      await registry.pushManifest(reference, descriptor(bytes), bytes);
      assert.equal(puts, 3);
      puts = 0;
      await assert.rejects(registry.pushManifest(reference, descriptor("other"), bytes), /400 .*DIGEST_INVALID/);
      assert.equal(puts, 1);
      proxy.fault = () => undefined;
    });

    test(`once, at each request of a pull: ${nameOf(fault)}`, async () => {
      for (let at = 1; at <= 6; at += 1) {
        const error = await tryPull(({ number }) => (number === at ? fault : undefined));
        const name = `request ${at}`;
        if (once === "overcome") assert.equal(error, undefined, `${name}: ${String(error)}`);
        else if (error !== undefined) assertClear(error, name);
      }
    });

    test(`at every request for a blob: ${nameOf(fault)}`, async () => {
      const isLayer = ({ url }: SeenRequest): boolean => url.includes("/blobs/");
      const error = await tryPull((request) => (isLayer(request) ? fault : undefined));
      if (error !== undefined) assertClear(error, nameOf(fault));
      assert.equal(error === undefined, fault.kind === "headers", String(error));
    });
  }

  test("a download goes on where it broke off, and the bytes come once each", async () => {
    const bytes = noise(SIZE, 2);
    const descriptor = { mediaType: "x/y", digest: digestOf(bytes), size: SIZE };
    using registry = connect();
    const first = proxy.requests.length;
    proxy.fault = ({ number }) => (number - first <= 3 ? { kind: "reset", after: 60_000 } : undefined);
    const events: TransferEvent[] = [];
    const reference = parseReference(`${proxy.host}/app:1`);
    const onEvent = (event: TransferEvent): unknown => events.push(event);
    const back = await collect(registry.blob(reference, descriptor, { offset: 10, onEvent }), SIZE, { what: "blob" });
    assert.ok(back.equals(bytes.subarray(10)));
    const ranges = proxy.requests.slice(first).map(({ headers }) => headers.range);
    assert.equal(ranges[0], "bytes=10-");
    const starts = ranges.map((range) => Number(/=(\d+)-/.exec(range ?? "")?.[1]));
    assert.ok(
      starts.every((start, i) => i === 0 || start > (starts[i - 1] ?? 0)),
      String(ranges),
    );
    assert.equal(events.filter(({ state }) => state === "retrying").length, 3);
    assert.deepEqual(events.at(-1)?.state, "done");
    assert.ok(events.every(({ current }) => current <= SIZE));
  });

  test("a partly fetched blob goes on in the next pull", async () => {
    await using into = await temporaryStore();
    const { store, lease } = into;
    const options = { store, lease, platform: "all" as const };
    const reference = parseReference(`${proxy.host}/app:1`);
    using registry = connect();
    proxy.fault = ({ url, headers }) =>
      url.includes("/blobs/") && headers.range === undefined
        ? { kind: "reset", after: 60_000 }
        : url.includes("/blobs/")
          ? { kind: "status", status: 403 }
          : undefined;
    await assert.rejects(pull(registry, reference, options), (error) => isVarveError(error, "unauthorized"));
    const first = proxy.requests.length;
    proxy.fault = () => undefined;
    await pull(registry, reference, options);
    assert.ok(proxy.requests.slice(first).some(({ headers }) => headers.range !== undefined));
  });

  test("a server that asks for more patience than there is is not waited for", async () => {
    using registry = connect();
    proxy.fault = () => ({ kind: "status", status: 429, headers: { "retry-after": "100000" } });
    const first = proxy.requests.length;
    const resolved = registry.resolve(parseReference(`${proxy.host}/app:1`));
    await assert.rejects(resolved, (error) => isVarveError(error, "remote") && error.details.status === 429);
    assert.equal(proxy.requests.length - first, 1);
    proxy.fault = () => undefined;
  });

  for (const [method, which, after, chunkSize, resumedAt] of [
    ["PUT", 1, 0, undefined, 0],
    ["PUT", 1, 80_000, undefined, 0],
    ["PUT", 1, SIZE - 1, undefined, 0],
    ["PATCH", 1, 1, 100_000, 0],
    ["PATCH", 1, 80_000, 100_000, 0],
    ["PATCH", 2, 0, 100_000, 100_000],
    ["PATCH", 3, 0, 75_000, 150_000],
  ] as const) {
    test(`an upload whose ${method} ${which} is cut after ${after} bytes goes on at ${resumedAt}`, async () => {
      const bytes = noise(SIZE, 1000 + after * 7 + which * 13 + (chunkSize ?? 0));
      const descriptor = { mediaType: "x/y", digest: digestOf(bytes), size: SIZE };
      using registry = connect();
      let seen = 0;
      proxy.fault = (request) => {
        if (request.method !== method) return undefined;
        seen += 1;
        return seen === which ? { kind: "reset-upload", after } : undefined;
      };
      const offsets: number[] = [];
      const source = (offset: number): AsyncIterable<Uint8Array> => {
        offsets.push(offset);
        return bytesOf(bytes.subarray(offset));
      };
      const options = chunkSize === undefined ? {} : { chunkSize };
      const reference = parseReference(`${proxy.host}/up`);
      assert.equal(await registry.pushBlob(reference, descriptor, source, options), "uploaded");
      assert.equal(await registry.hasBlob(reference, descriptor.digest), true);
      assert.deepEqual(offsets, [0, resumedAt]);
      proxy.fault = () => undefined;
    });
  }

  test("each fault at each request of a push ends in success or in a clear error", async () => {
    for (const [fault, once] of FAULTS) {
      for (let at = 1; at <= 4; at += 1) {
        const bytes = noise(1000, at * 1000 + FAULTS.findIndex(([each]) => each === fault));
        const descriptor = { mediaType: "x/y", digest: digestOf(bytes), size: 1000 };
        using registry = connect();
        const first = proxy.requests.length;
        proxy.fault = ({ number }) => (number - first === at ? fault : undefined);
        const reference = parseReference(`${proxy.host}/up`);
        try {
          await registry.pushBlob(reference, descriptor, (offset) => bytesOf(bytes.subarray(offset)));
        } catch (error) {
          assertClear(error, `${nameOf(fault)} at ${at}`);
          assert.equal(once, "either", `${nameOf(fault)} at ${at}: ${String(error)}`);
        }
      }
    }
    proxy.fault = () => undefined;
  });

  test("a body that is too large for the server goes in smaller and smaller chunks", async () => {
    const bytes = noise(SIZE, 77);
    const descriptor = { mediaType: "x/y", digest: digestOf(bytes), size: SIZE };
    using registry = connect();
    proxy.fault = ({ headers }) =>
      Number(headers["content-length"] ?? 0) > 120_000 ? { kind: "status", status: 413 } : undefined;
    const reference = parseReference(`${proxy.host}/up`);
    const pushed = await registry.pushBlob(reference, descriptor, (offset) => bytesOf(bytes.subarray(offset)));
    assert.equal(pushed, "uploaded");
    proxy.fault = () => undefined;
  });

  test("waiting for a server that is quiet ends when it is cancelled", async () => {
    using registry = new Registry({
      credentials: anonymous,
      env: {},
      config: { registries: { [proxy.host]: { http: true } } },
    });
    proxy.fault = () => ({ kind: "stall" });
    const resolved = registry.resolve(parseReference(`${proxy.host}/app:1`), { signal: AbortSignal.timeout(50) });
    await assert.rejects(resolved, (error) => isVarveError(error, "cancelled"));
    proxy.fault = () => undefined;
  });
});

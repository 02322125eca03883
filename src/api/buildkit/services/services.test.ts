import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { serveGrpc } from "../../../../testing/grpc.ts";
import { temporaryStore } from "../../../../testing/images.ts";
import { digestOf } from "../../../core/index.ts";
import { type GrpcClient, GrpcCode, GrpcServer, invoke, invokeBidi, invokeServerStream } from "../../../grpc/index.ts";
import { collect } from "../../../io/index.ts";
import { Content } from "../proto/gen/content_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../proto/gen/health_pb.ts";
import { TraceService } from "../proto/gen/trace_pb.ts";
import { called } from "../proto/methods.ts";
import { contentService } from "./content.ts";
import { healthService } from "./health.ts";
import { traceService } from "./trace.ts";

const content = Content.method;

async function text(client: GrpcClient, digest: string, offset = 0n, size = 0n): Promise<string> {
  const responses = invokeServerStream(client, called(content.read), { digest, offset, size });
  const pieces = (async function* () {
    for await (const { data } of responses) yield data;
  })();
  return (await collect(pieces, 1e9, { what: "the test" })).toString();
}

suite("the content service", () => {
  test("reads blobs", async () => {
    await using from = await temporaryStore();
    const { digest } = await from.store.put(Buffer.from("hello, content"), {
      lease: from.lease,
      labels: { key: "value" },
    });
    await using served = await serveGrpc(new GrpcServer(contentService(from.store)));
    using client = await served.client();
    const { info } = await invoke(client, called(content.info), { digest });
    assert.deepEqual([info?.digest, info?.size, info?.labels["key"]], [digest, 14n, "value"]);
    assert.equal(await text(client, digest), "hello, content");
    assert.equal(await text(client, digest, 7n), "content");
    assert.equal(await text(client, digest, 0n, 5n), "hello");
    assert.equal(await text(client, digest, 7n, 1000n), "content");
    assert.equal(await text(client, digest, 14n), "");
    await assert.rejects(text(client, digest, 15n), {
      code: GrpcCode.outOfRange,
      message: "read past object length 14 bytes",
    });
    const none = digestOf("none");
    await assert.rejects(text(client, none), {
      code: GrpcCode.notFound,
      message: `content digest ${none}: not found`,
    });
    await assert.rejects(invoke(client, called(content.info), { digest: "x" }), {
      code: GrpcCode.invalidArgument,
      message: '"x" failed validation',
    });
  });

  test("lists blobs in pages, and writes none", async () => {
    await using from = await temporaryStore();
    for (let count = 0; count < 101; count += 1)
      await from.store.put(Buffer.from(`blob ${count}`), { lease: from.lease });
    await using served = await serveGrpc(new GrpcServer(contentService(from.store)));
    using client = await served.client();
    const pages = await Array.fromAsync(invokeServerStream(client, called(content.list), {}));
    assert.deepEqual(
      pages.map(({ info }) => info.length),
      [100, 1],
    );
    const refusal = { code: GrpcCode.unknown, message: "read-only content store" };
    await assert.rejects(invoke(client, called(content.delete), { digest: digestOf("blob 1") }), refusal);
    await assert.rejects(invoke(client, called(content.update), {}), refusal);
    await assert.rejects(invoke(client, called(content.abort), { ref: "x" }), refusal);
    using write = invokeBidi(client, called(content.write));
    await assert.rejects(Array.fromAsync(write.responses), refusal);
    await assert.rejects(invoke(client, called(content.status), { ref: "x" }), { code: GrpcCode.notFound });
    assert.deepEqual((await invoke(client, called(content.listStatuses), {})).statuses, []);
  });

  test("lists the blobs that match a filter", async () => {
    await using from = await temporaryStore();
    const labels = { "containerd.io/gc.ref": "x" };
    const { digest } = await from.store.put(Buffer.from("labelled"), { lease: from.lease, labels });
    const other = await from.store.put(Buffer.from("other"), { lease: from.lease });
    await using served = await serveGrpc(new GrpcServer(contentService(from.store)));
    using client = await served.client();
    const listed = async (...filters: string[]): Promise<string[]> =>
      (await Array.fromAsync(invokeServerStream(client, called(content.list), { filters }))).flatMap(({ info }) =>
        info.map((each) => each.digest),
      );
    assert.deepEqual(await listed('labels."containerd.io/gc.ref"==x'), [digest]);
    assert.deepEqual(await listed("labels.none"), []);
    assert.deepEqual(await listed(`digest==${other.digest}`, "labels.none"), [other.digest]);
    await assert.rejects(listed("size=1"), { message: /unsupported operator/ });
  });
});

test("the health and trace services", async () => {
  const server = new GrpcServer([...healthService(), ...traceService()]);
  await using served = await serveGrpc(server);
  using client = await served.client();
  assert.equal((await invoke(client, called(Health.method.check), {})).status, ServingStatus.SERVING);
  await assert.rejects(invoke(client, called(Health.method.check), { service: "x" }), {
    code: GrpcCode.notFound,
    message: "unknown service",
  });
  await invoke(client, called(TraceService.method.export), {});
  const watched = invokeServerStream(client, called(Health.method.watch), {});
  assert.equal((await watched.next()).value.status, ServingStatus.SERVING);
  const stopped = server.stop(60_000);
  assert.equal((await watched.next()).done, true);
  await stopped;
});

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import {
  type BuildkitDaemon,
  buildkitDaemon,
  driveBuild,
  encoded,
  solve,
} from "../../../../testing/buildkit-daemon.ts";
import { recordsMissing } from "../../../../testing/records.ts";
import { healthy, openSession } from "../../../../testing/session-client.ts";
import { takenDirectory } from "../../../../testing/session-files.ts";
import { type GrpcClient, GrpcCode, GrpcError, type Implementation, invoke, unary } from "../../../grpc/index.ts";
import { fileActions, scratch } from "../../../llb/index.ts";
import { Exporter } from "../proto/gen/exporter_pb.ts";
import { LLBBridge } from "../proto/gen/gateway_pb.ts";
import { called, served } from "../proto/methods.ts";

const graph = scratch().file(fileActions().mkfile("/made", 0o644, "text"));
const find = served(Exporter.method.findExporters);
const finalize = served(Exporter.method.finalizeExport);
const none: Implementation = unary(find, async () => await Promise.resolve({ exporters: [] }));

suite("exporters of a session", { skip: recordsMissing() ?? false }, () => {
  let daemon: BuildkitDaemon;
  let client: GrpcClient;
  before(async () => {
    daemon = await buildkitDaemon();
    client = await daemon.grpc.client();
  });
  after(async () => {
    client.close();
    await daemon[Symbol.asyncDispose]();
  });

  test("follow those of the request; the client reads the result before it chooses", async () => {
    const dest = join(daemon.folder, "taken");
    await mkdir(dest);
    const ids: (string | undefined)[] = [];
    const responses: unknown[] = [];
    let read = "";
    const { method } = LLBBridge;
    const found = unary(find, async ({ metadata, refs: [ref = ""] }) => {
      assert.equal(Buffer.from(metadata["key"] ?? "").toString(), "value");
      const { data } = await invoke(client, called(method.readFile), { ref, filePath: "/made" }, driven.call);
      read = Buffer.from(data).toString();
      return { exporters: [{ type: "local" }] };
    });
    const finished = unary(finalize, async ({ exporterResponse }) => {
      responses.push(Object.keys(exporterResponse).toSorted());
      return await Promise.resolve({});
    });
    const taken = takenDirectory(dest);
    const noted: Implementation = {
      ...taken,
      handle: async (call) => {
        ids.push(call.metadata.get("buildkit-attachable-exporter-id"));
        await taken.handle(call);
      },
    };
    await using session = openSession(client, [found, finished, noted, healthy]);
    const exporters = [{ type: "image", attrs: { name: "app:1" } }];
    const driven = await driveBuild(client, { session: session.id, exporters, enableSessionExporter: true });
    const { result } = await invoke(
      client,
      called(method.solve),
      { definition: encoded(graph), allowResultReturn: true, allowResultArrayRef: true },
      driven.call,
    );
    assert.ok(result !== undefined);
    await invoke(
      client,
      called(method.return),
      { result: { ...result, metadata: { key: Buffer.from("value") } } },
      driven.call,
    );
    await driven.solved;
    assert.equal(read, "text");
    assert.equal(readFileSync(join(dest, "made"), "utf8"), "text");
    assert.deepEqual(ids, ["1"]);
    assert.deepEqual(responses, [
      ["containerimage.config.digest", "containerimage.descriptor", "containerimage.digest", "image.name"],
    ]);
  });

  /** Builds with a session that serves these methods, and asks it for exporters. */
  async function build(...services: Implementation[]): Promise<void> {
    await using session = openSession(client, [...services, healthy]);
    await solve(client, { session: session.id, definition: encoded(graph), enableSessionExporter: true });
  }

  test("are none if the client does not serve them, or is not asked", async () => {
    await build();
    await build(none);
    const asked = unary(find, () => Promise.reject(new Error("asked")));
    await using session = openSession(client, [asked, healthy]);
    await solve(client, { session: session.id, definition: encoded(graph) });
  });

  test("fail the build if the client chooses wrongly, or does not accept what was exported", async () => {
    const unknown = unary(find, async () => await Promise.resolve({ exporters: [{ type: "zzz" }] }));
    await assert.rejects(build(unknown), { message: 'exporter "zzz" could not be found' });
    const broken = unary(find, () => Promise.reject(new GrpcError(GrpcCode.unknown, "cannot choose")));
    await assert.rejects(build(broken), /cannot choose/);
    const refused = unary(finalize, () => Promise.reject(new GrpcError(GrpcCode.unknown, "not what I wanted")));
    await assert.rejects(build(none, refused), /not what I wanted/);
    const gone = unary(finalize, () => Promise.reject(new GrpcError(GrpcCode.unavailable, "later")));
    await build(none, gone);
  });
});

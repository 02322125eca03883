import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { type BuildkitDaemon, buildkitDaemon, driveBuild, solve } from "../../../../testing/buildkit-daemon.ts";
import { type GrpcClient, invoke, invokeServerStream } from "../../../grpc/index.ts";
import { type BuildHistoryEvent, BuildHistoryEventType, Control } from "../proto/gen/control_pb.ts";
import { called } from "../proto/methods.ts";

const { method } = Control;
const MIB = 1024 * 1024;
const EMPTY = { definition: new Uint8Array() };

suite("the history of a server with hostile clients", () => {
  let daemon: BuildkitDaemon;
  let client: GrpcClient;
  before(async () => {
    daemon = await buildkitDaemon();
    client = await daemon.grpc.client();
  });
  after(async () => {
    client?.close();
    await daemon?.[Symbol.asyncDispose]();
  });

  const listen = async (request: object = {}): Promise<BuildHistoryEvent[]> =>
    await Array.fromAsync(
      invokeServerStream(client, called(method.listenBuildHistory), { earlyExit: true, ...request }),
    );

  const update = async (ref: string, change: object = {}): Promise<unknown> =>
    await invoke(client, called(method.updateBuildHistory), { ref, ...change });

  test("filters are limited in number, size and time", async () => {
    await solve(client, EMPTY);
    for (const [filter, message] of [
      [Array.from({ length: 1000 }, () => "ref==a"), /more than 100/],
      [[`ref==${"a".repeat(MIB)}`], /^failed to parse history filters: more than 4096 characters$/],
      [[`startedAt>${"9".repeat(MIB)}`], /more than 4096 characters/],
      [[`duration<${"9".repeat(4000)}h`], /invalid duration/],
      [['"'], /failed to parse history filters/],
      [["ref~=("], /not a regular expression/],
      [["=="], /expected field/],
    ] as const)
      await assert.rejects(listen({ filter }), { message }, String(message));
    await assert.rejects(listen({ limit: -1 }), { message: "invalid limit -1" });
    assert.ok((await listen({ limit: 2 ** 31 - 1 })).length > 0);
  });

  test("a record with texts of any size is listed", async () => {
    const ref = randomUUID();
    const frontendAttrs = Object.fromEntries(
      Array.from({ length: 7 }, (_, index) => [`build-arg:A${index}`, "ä".repeat(MIB - 1000)]),
    );
    const exporters = [{ type: "cacheonly", attrs: { a: "b" } }];
    const solving = solve(client, { ref, ...EMPTY, frontendAttrs, exporters });
    await solving.catch(() => undefined);
    const [event, ...rest] = await listen({ ref });
    assert.deepEqual(rest, []);
    assert.equal(event?.type, BuildHistoryEventType.COMPLETE);
    assert.deepEqual(Object.keys(event.record?.frontendAttrs ?? {}), ["build-arg:A0", "build-arg:A1"]);
    assert.deepEqual(event.record?.exporters[0]?.attrs, { a: "b" });
    assert.ok((await listen()).some(({ record }) => record?.ref === ref));
  });

  test("IDs can be any text of 4096 bytes", async () => {
    for (const ref of [
      "../../etc/passwd",
      "'; DROP TABLE build_record; --",
      "%",
      "a\0b",
      "\u{1f6ab}",
      "ref_",
      "é".repeat(2048),
    ]) {
      await solve(client, { ref, ...EMPTY });
      assert.deepEqual(
        (await listen({ ref })).map(({ record }) => record?.ref),
        [ref],
      );
      await update(ref, { pinned: true });
      await update(ref, { delete: true });
      assert.deepEqual(await listen({ ref }), []);
    }
    const long = "x".repeat(4097);
    for (const asked of [
      async () => await solve(client, { ref: long, ...EMPTY }),
      async () => await update(long, { delete: true }),
      async () => await update("x".repeat(15 * MIB), { pinned: true }),
    ])
      await assert.rejects(asked(), { message: "Cannot build: the ID has more than 4096 bytes" });
  });

  test("a build that runs can be listened to, and neither pinned nor deleted", async () => {
    const build = await driveBuild(client);
    const asked = { ref: build.ref, activeOnly: true };
    assert.deepEqual(
      (await listen(asked)).map(({ type }) => type),
      [BuildHistoryEventType.STARTED],
    );
    await assert.rejects(update(build.ref, { pinned: true }), { message: /failed to retrieve ref/ });
    await assert.rejects(update(build.ref, { delete: true }), { message: /not found/ });
    await update(build.ref, { finalize: true });
    const events = invokeServerStream(client, called(method.listenBuildHistory), { ref: build.ref });
    assert.equal((await events.next()).value?.type, BuildHistoryEventType.STARTED);
    await build.return();
    assert.equal((await events.next()).value?.type, BuildHistoryEventType.COMPLETE);
    await update(build.ref, { delete: true });
    assert.deepEqual(
      (await listen()).filter(({ record }) => record?.ref === build.ref),
      [],
      "it is hidden while somebody listens to it",
    );
    await events.return(undefined);
  });
});

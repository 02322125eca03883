import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { buildkitDaemon, encoded, solve } from "../../../../testing/buildkit-daemon.ts";
import { recordsMissing } from "../../../../testing/records.ts";
import { fileActions, scratch } from "../../../llb/index.ts";
import { PruneRequestSchema } from "../proto/gen/control_pb.ts";
import { openDaemon } from "../daemon.ts";
import { prune } from "./disk-usage.ts";

const STEPS = 5;
const skip = recordsMissing() ?? false;

test("records are told of as they are removed", { skip }, async () => {
  await using served = await buildkitDaemon();
  using client = await served.grpc.client();
  let graph = scratch();
  for (let step = 0; step < STEPS; step += 1) graph = graph.file(fileActions().mkfile(`/${step}`, 0o644, "x"));
  await solve(client, { definition: encoded(graph) });
  const { table } = served.store.records;
  const total = table.all().length;
  assert.equal(total, STEPS);
  using daemon = await openDaemon({ store: served.store });
  const left: number[] = [];
  for await (const _ of prune(create(PruneRequestSchema, { all: true }), daemon, AbortSignal.timeout(60_000)))
    left.push(table.all().length);
  assert.deepEqual(left, [4, 3, 2, 1, 0]);
  const wrong = prune(create(PruneRequestSchema, { filter: ["x=="] }), daemon, AbortSignal.timeout(60_000));
  await assert.rejects(wrong.next(), { code: "invalid-argument" });
});

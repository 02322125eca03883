import assert from "node:assert/strict";
import { test } from "node:test";
import { buildkitDaemon, solve } from "../../../../testing/buildkit-daemon.ts";

test("a build that cannot be recorded succeeds, and the operator is warned", async () => {
  const warnings: string[] = [];
  await using daemon = await buildkitDaemon({ onWarning: (text) => void warnings.push(text) });
  using client = await daemon.grpc.client();
  const request = { ref: "one", definition: new Uint8Array() };
  daemon.store.state.run("ALTER TABLE build_blob RENAME TO elsewhere");
  await solve(client, request);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /^build one was not recorded: .*build_blob/);
  daemon.store.state.run("ALTER TABLE elsewhere RENAME TO build_blob");
  await solve(client, { ...request, ref: "two" });
  assert.equal(warnings.length, 1);
});

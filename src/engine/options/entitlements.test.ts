import assert from "node:assert/strict";
import { test } from "node:test";
import { build } from "../../../testing/dockerfile-host.ts";
import { isVarveError } from "../../core/index.ts";
import { allowedEntitlements, checkEntitlements, grantEntitlements } from "./entitlements.ts";

async function check(dockerfile: string, options: Parameters<typeof allowedEntitlements>[0]): Promise<void> {
  const { edge } = await build(dockerfile);
  checkEntitlements(edge === undefined ? [] : [edge], allowedEntitlements(options));
}

const HOST = "FROM scratch\nRUN --network=host a\nRUN b\n";
const INSECURE = "# syntax=docker/dockerfile:1-labs\nFROM scratch\nRUN --security=insecure a\nRUN b\n";

test("a step with the host's network or without a sandbox needs an entitlement", async () => {
  await assert.rejects(
    check(HOST, {}),
    (error) =>
      isVarveError(error, "invalid-build") && /RUN --network=host a: network.host is not allowed/.test(error.message),
  );
  await assert.rejects(check(INSECURE, { allow: ["network.host"] }), /security.insecure is not allowed/);
});

test("allowed entitlements pass, and --network=host implies network.host", async () => {
  await check(HOST, { allow: ["network.host"] });
  await check(HOST, { network: "host" });
  await check(INSECURE, { allow: ["security.insecure"] });
  await assert.rejects(check(INSECURE, { network: "host" }), /security.insecure is not allowed/);
  await check("FROM scratch\nRUN a\n", {});
});

test("an unknown entitlement is rejected", () => {
  assert.throws(
    () => allowedEntitlements({ allow: ["root"] }),
    (error) => isVarveError(error, "invalid-argument"),
  );
});

test("a server grants only what it was configured to grant", () => {
  const granted = new Set(["network.host", "device"]);
  assert.deepEqual([...grantEntitlements(["network.host", "device=gpu,alias=g"], granted)].length, 2);
  assert.throws(() => grantEntitlements(["security.insecure"], granted), {
    message: "granting entitlement security.insecure is not allowed by build daemon configuration",
  });
  assert.throws(() => grantEntitlements(["foo"], granted), { message: "unknown entitlement foo" });
});

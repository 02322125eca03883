import assert from "node:assert/strict";
import { test } from "node:test";
import { isVarveError } from "../../core/index.ts";
import type { StepResources } from "./options.ts";
import { linuxResources, resourceLimits } from "./resources.ts";

const NONE = {
  memory: 0,
  memorySwap: 0,
  cpuShares: 0,
  cpuPeriod: 0,
  cpuQuota: 0,
  cpusetCpus: "",
  cpusetMems: "",
};

test("limits that are missing, 0 or empty mean no limit", () => {
  for (const given of [undefined, {}, NONE]) assert.equal(linuxResources(given), undefined);
  const given = { memory: 64 * 1_048_576, memorySwap: -1, cpusetCpus: "0-2,4" };
  assert.deepEqual(linuxResources(given), { ...NONE, ...given });
  assert.deepEqual(resourceLimits(linuxResources(given)), given);
  assert.deepEqual(resourceLimits(undefined), {});
});

test("limits that the kernel does not accept are rejected", () => {
  const wrong: StepResources[] = [
    { memory: 1 },
    { memory: -1 },
    { memory: 1.5 },
    { memory: NaN },
    { memorySwap: 64 * 1_048_576 },
    { memory: 64 * 1_048_576, memorySwap: 32 * 1_048_576 },
    { memorySwap: -2 },
    { cpuShares: 1 },
    { cpuShares: 300_000 },
    { cpuPeriod: 999 },
    { cpuPeriod: 1_000_001 },
    { cpuQuota: 999 },
    { cpusetCpus: "a" },
    { cpusetCpus: "0-" },
    { cpusetMems: "0\n1" },
  ];
  for (const given of wrong)
    assert.throws(
      () => linuxResources(given),
      (error) => isVarveError(error, "invalid-argument") && error.message.startsWith("Cannot limit "),
      JSON.stringify(given),
    );
});

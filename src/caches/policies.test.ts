import assert from "node:assert/strict";
import { test } from "node:test";
import { type RecordUsage, parseFilters } from "../record/index.ts";
import { readCollectionSettings } from "./collection-settings.ts";
import { parseDiskSpace, requestsFor } from "./policies.ts";

const GIB = 2 ** 30;
const HOUR = 3_600_000;

test("the default policies are BuildKit's", () => {
  const sizes = { reservedSpace: 10e9, maxUsedSpace: 100e9, minFreeSpace: 51e9 };
  assert.deepEqual(requestsFor({}, 252 * GIB), [
    {
      filters: ["type==source.local", "type==exec.cachemount", "type==source.git.checkout"],
      keepDuration: 48 * HOUR,
      maxUsedSpace: 512e6,
      reservedSpace: 0,
      minFreeSpace: 0,
    },
    { keepDuration: 1440 * HOUR, ...sizes },
    sizes,
    { all: true, ...sizes },
  ]);
  const [, , small] = requestsFor({}, 20 * GIB);
  assert.deepEqual(small, { reservedSpace: 3e9, maxUsedSpace: 17e9, minFreeSpace: 5e9 });
  const [, , unknown] = requestsFor({}, 0);
  assert.deepEqual(unknown, { reservedSpace: 2e9, maxUsedSpace: 2e9, minFreeSpace: 2e9 });
});

test("if a size is given, the other sizes have no default", () => {
  const [, , third] = requestsFor({ reservedSpace: { percent: 10 } }, 100 * GIB);
  assert.deepEqual(third, { reservedSpace: 11e9, maxUsedSpace: 0, minFreeSpace: 0 });
});

test("the filters of the first policy match the types of records", () => {
  const matches = parseFilters(requestsFor({}, 1e12)[0]?.filters ?? []);
  const isMatch = (recordType: string): boolean => matches({ recordType } as unknown as RecordUsage);
  for (const type of ["source.local", "exec.cachemount", "source.git.checkout"]) assert.equal(isMatch(type), true);
  for (const type of ["regular", "internal", "frontend"]) assert.equal(isMatch(type), false);
});

test("settings are read, and what cannot be read is named", () => {
  const settings = readCollectionSettings({
    maxUsedSpace: "10GB",
    minFreeSpace: "20%",
    reservedSpace: 5,
    policies: [
      { all: true, filters: ["type==regular"], keepDuration: "1h30m" },
      { keepDuration: 60, maxUsedSpace: "1.5 MiB" },
    ],
  });
  assert.deepEqual(requestsFor(settings, GIB), [
    {
      all: true,
      filters: ["type==regular"],
      keepDuration: 1.5 * HOUR,
      reservedSpace: 0,
      maxUsedSpace: 0,
      minFreeSpace: 0,
    },
    { keepDuration: 60_000, reservedSpace: 0, maxUsedSpace: 1.5 * 2 ** 20, minFreeSpace: 0 },
  ]);
  assert.equal(settings.maxUsedSpace, 10 * GIB);
  assert.deepEqual(requestsFor(readCollectionSettings({ enabled: false }), GIB), []);
  for (const [value, field] of [
    [{ maxUsedSpace: "much" }, "maxUsedSpace"],
    [{ minFreeSpace: -1 }, "minFreeSpace"],
    [{ policies: [{ keepDuration: "soon" }] }, "keepDuration"],
    [{ policies: [{ filters: ["type=regular"] }] }, "filters"],
    [{ policies: [{ keepFor: 1 }] }, "keepFor"],
    [{ enable: true }, "enable"],
    [{ policies: Array.from({ length: 40 }, () => ({})) }, "policies"],
    [[], "object"],
  ] as const)
    assert.throws(() => readCollectionSettings(value), { message: new RegExp(field) }, JSON.stringify(value));
});

test("amounts of disk space", () => {
  for (const [text, expected] of [
    ["0", 0],
    ["512", 512],
    ["10GB", 10 * GIB],
    ["10gib", 10 * GIB],
    ["1.5k", 1536],
    ["7 MB", 7 * 2 ** 20],
    ["20%", { percent: 20 }],
  ] as const)
    assert.deepEqual(parseDiskSpace(text), expected, text);
  for (const text of ["", "%", "101%", "-1", "1e3", "GB", "1XB", "999999999999999P"])
    assert.throws(() => parseDiskSpace(text), { code: "invalid-argument" }, text);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { build } from "../../../testing/dockerfile-host.ts";
import { recordsMissing, temporaryRecords } from "../../../testing/records.ts";
import { pruneIgnoredMounts } from "./ignored-mounts.ts";

const DOCKERFILE =
  "FROM scratch AS a\nRUN --mount=type=cache,target=/one x\nFROM scratch AS same\nRUN --mount=type=cache,target=/one x\n" +
  "FROM a\nRUN --mount=type=cache,id=two,target=/t y\nCOPY --from=same / /\n";

/** The key of a cache mount is `/` and its ID. The default ID is the target. */
const KEYS = ["//one", "/two", "/two:base", "/twofold"];

test("only cache mounts of steps that ignore the cache are emptied", { skip: recordsMissing() ?? false }, async () => {
  await using fixture = await temporaryRecords();
  const remaining = async (noCache: boolean | readonly string[]): Promise<(number | undefined)[]> => {
    const lease = await fixture.content.lease();
    for (const key of KEYS) {
      await using _mount = await fixture.cacheMounts.acquire({ key, sharing: "shared", description: "" }, { lease });
    }
    await lease[Symbol.asyncDispose]();
    const { edge } = await build(DOCKERFILE, { noCache });
    await pruneIgnoredMounts(edge === undefined ? [] : [edge], fixture.cacheMounts, new Set());
    return KEYS.map((key) => fixture.records.table.byKey(key).length);
  };
  assert.deepEqual(await remaining(false), [1, 1, 1, 1]);
  assert.deepEqual(await remaining(["a"]), [0, 1, 1, 1]);
  assert.deepEqual(await remaining(["same"]), [0, 1, 1, 1]);
  assert.deepEqual(await remaining(true), [0, 0, 0, 1]);
});

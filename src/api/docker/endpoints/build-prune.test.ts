import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startDockerServer } from "../../../../testing/docker-server.ts";
import { recordsMissing } from "../../../../testing/records.ts";
import { isVarveError } from "../../../core/index.ts";
import { SCRATCH } from "../../../record/index.ts";
import { pruneRequest } from "./build-prune.ts";

function requested(filters: object, more = ""): ReturnType<typeof pruneRequest> {
  return pruneRequest(new URLSearchParams(`filters=${encodeURIComponent(JSON.stringify(filters))}&${more}`));
}

describe("POST /build/prune", () => {
  test("parameters", () => {
    assert.deepEqual(requested({}), {
      all: false,
      keepDuration: undefined,
      reservedSpace: undefined,
      maxUsedSpace: undefined,
      minFreeSpace: undefined,
      filters: [],
    });
    const { all, keepDuration, reservedSpace, maxUsedSpace } = requested(
      { until: { "1h": true } },
      "all=1&keep-storage=5&max-used-space=7",
    );
    assert.deepEqual([all, keepDuration, reservedSpace, maxUsedSpace], [true, 3_600_000, 5, 7]);
    assert.equal(requested({}, "keep-storage=5&reserved-space=6").reservedSpace, 6);
    assert.deepEqual(requested({ id: ["ab"], shared: [], type: ['x",y'] }).filters, ['id~="ab",type=="x\\",y",shared']);
  });

  test("malformed parameters have status 400", () => {
    const isBad = (error: unknown): boolean => isVarveError(error) && error.details.apiStatus === 400;
    for (const filters of [{ nope: ["x"] }, { id: ["a", "b"] }, { until: ["yesterday"] }])
      assert.throws(() => requested(filters), isBad, JSON.stringify(filters));
    assert.throws(() => requested({}, "min-free-space=much"), isBad);
  });

  test("removes the records that GET /system/df lists", { skip: recordsMissing() ?? false }, async () => {
    await using server = await startDockerServer();
    await using lease = await server.store.content.lease();
    const hold = { lease };
    for (const description of ["first", "second"]) {
      await using layer = await server.store.records.begin(SCRATCH, { description }, hold);
      await layer.commit();
    }
    const listed = async (): Promise<readonly { readonly ID: string; readonly Description: string }[]> => {
      const { text } = await server.ask("GET", "/system/df?type=build-cache");
      return (JSON.parse(text) as { readonly BuildCache: readonly { ID: string; Description: string }[] }).BuildCache;
    };
    const before = await listed();
    assert.deepEqual(before.map((each) => each.Description).toSorted(), ["first", "second"]);
    const first = before.find(({ Description }) => Description === "first")?.ID ?? "";
    await lease[Symbol.asyncDispose]();
    const filters = encodeURIComponent(JSON.stringify({ id: [first] }));
    const { text } = await server.ask("POST", `/build/prune?filters=${filters}`);
    assert.deepEqual((JSON.parse(text) as { readonly CachesDeleted: unknown }).CachesDeleted, [first]);
    assert.deepEqual(
      (await listed()).map(({ Description }) => Description),
      ["second"],
    );
  });
});

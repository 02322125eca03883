import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { VarveError, isVarveError } from "../../core/index.ts";
import { parseFilters } from "./filter.ts";
import type { RecordUsage } from "./usage.ts";

const USAGE: RecordUsage = {
  id: "abc",
  mutable: false,
  inUse: false,
  size: 1,
  createdAt: 0,
  lastUsedAt: undefined,
  usageCount: 0,
  parents: ["p", "q"],
  description: 'mount / from exec a,"b"',
  recordType: "regular",
  shared: true,
};

test("terms of one filter all hold, one of several filters is enough, none matches all", () => {
  for (const [filters, expected] of [
    [[], true],
    [[""], true],
    [["type==regular"], true],
    [["type==regular,id==abc"], true],
    [["type==regular,id==x"], false],
    [["id==x", "type==regular"], true],
    [["id!=x"], true],
    [["id~=^a"], true],
    [["id~=^b"], false],
    [["parents==p;q"], true],
    [["description~=exec"], true],
    [['description=="mount / from exec a,\\"b\\""'], true],
    [["immutable"], true],
    [["mutable"], false],
    [["shared"], true],
    [["private"], false],
    [["inuse"], false],
    [["unknown"], false],
    [["unknown==x"], false],
    [["constructor"], false],
  ] as const) {
    assert.equal(parseFilters(filters)(USAGE), expected, filters.join(" or "));
  }
});

test("what is no filter is refused", () => {
  for (const filter of ["type=regular", "==x", 'id=="abc', "id==a,,id==b", ",", "id~=(", 'a"b'])
    assert.throws(
      () => parseFilters([filter]),
      (error) => isVarveError(error, "invalid-argument"),
      filter,
    );
});

test("any text is read or refused", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        parseFilters([text])(USAGE);
        return true;
      } catch (error) {
        return error instanceof VarveError;
      }
    }),
  );
});

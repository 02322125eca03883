import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { VarveError } from "../core/index.ts";
import { parseHistoryFilters, statusOf } from "./filters.ts";
import type { BuildRecord } from "./types.ts";

const NOW = Date.UTC(2026, 10, 30, 12, 0, 0, 300);
const HOUR = 3_600_000;
const MINUTE = 60_000;
const EPOCH = NOW - 24 * HOUR;

function record(ref: string, more: Partial<BuildRecord> = {}): BuildRecord {
  return {
    ref,
    frontend: "",
    attributes: new Map(),
    exporters: [],
    createdAt: EPOCH,
    metadata: new Map(),
    results: new Map(),
    steps: { total: 0, cached: 0, completed: 0 },
    warnings: 0,
    isPinned: false,
    generation: 0,
    ...more,
  };
}

/** The records of BuildKit's own test of its filters, oldest first. */
const RECORDS = [
  record("foo123", { completedAt: EPOCH + MINUTE }),
  record("bar456", {
    createdAt: EPOCH + HOUR,
    attributes: new Map([["context", "https://github.com/user/repo.git#abcdef123"]]),
  }),
  record("foo789", {
    createdAt: EPOCH + 2 * HOUR,
    completedAt: EPOCH + 2 * HOUR + 10 * MINUTE,
    attributes: new Map([["vcs:source", "testrepo"]]),
  }),
];

const found = (...filters: readonly string[]): string[] =>
  RECORDS.filter(parseHistoryFilters(filters, NOW)).map(({ ref }) => ref);

test("filters match what BuildKit's match", () => {
  for (const [filters, expected] of [
    [["ref==foo"], []],
    [["ref~=foo"], ["foo123", "foo789"]],
    [["repository!=testrepo"], ["foo123", "bar456"]],
    [["repository==https://github.com/user/repo.git"], ["bar456"]],
    [["ref!=notexist"], ["foo123", "bar456", "foo789"]],
    [["repository!=testrepo,ref~=foo"], ["foo123"]],
    [["completedAt>23h"], ["foo789"]],
    [["startedAt<23h"], ["foo123"]],
    [["startedAt<=23h"], ["foo123", "bar456"]],
    [["duration>5m"], ["foo789"]],
    [["startedAt>24h,completedAt>22h"], ["foo789"]],
    [
      ["startedAt>=23h", "completedAt>22h"],
      ["bar456", "foo789"],
    ],
    [["startedAt>24h,ref~=foo"], ["foo789"]],
    [["startedAt>=2026-11-29T13:00:00Z"], ["bar456", "foo789"]],
    [["status==running"], ["bar456"]],
    [["status==completed"], ["foo123", "foo789"]],
    [["repository"], ["bar456", "foo789"]],
    [[], ["foo123", "bar456", "foo789"]],
    [[""], ["foo123", "bar456", "foo789"]],
  ] as const)
    assert.deepEqual(found(...filters), expected, JSON.stringify(filters));
});

test("a malformed filter is refused", () => {
  for (const [filter, message] of [
    ["ref+foo", /failed to parse history filters ref\+foo: .*parse error/],
    ["startedAt>soon", /^invalid time soon$/],
    ["duration<long", /^invalid duration long$/],
  ] as const)
    assert.throws(() => parseHistoryFilters([filter]), { code: "invalid-argument", message });
});

test("the status of a build", () => {
  const ended = { completedAt: NOW };
  assert.equal(statusOf(record("a")), "running");
  assert.equal(statusOf(record("a", ended)), "completed");
  assert.equal(statusOf(record("a", { ...ended, error: { message: "no", status: 2 } })), "error");
  assert.equal(statusOf(record("a", { ...ended, error: { message: "x: context canceled", status: 1 } })), "canceled");
});

test("the repository of a context", () => {
  const repositoryOf = (context: string): boolean =>
    parseHistoryFilters(["repository==git@h.test:a/b"])(record("a", { attributes: new Map([["context", context]]) }));
  assert.equal(repositoryOf("git@h.test:a/b#main:dir"), true);
  assert.equal(repositoryOf("git@h.test:a/b?ref=x"), true);
  assert.equal(repositoryOf("/git@h.test:a/b"), false);
});

test("any text is read or refused", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        RECORDS.filter(parseHistoryFilters([text], NOW));
        return true;
      } catch (error) {
        return error instanceof VarveError;
      }
    }),
  );
});

import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { VarveError, isVarveError } from "../core/index.ts";
import { type FieldLookup, parseSelectors } from "./selectors.ts";

const OBJECT: ReadonlyMap<string, string> = new Map([
  ["id", "abc"],
  ["empty", ""],
  ["labels/a.b", 'x,"y"'],
  ["labels/plain", "z"],
]);
const field: FieldLookup = (path) => OBJECT.get(path.join("/"));

test("filters match as containerd's do", () => {
  for (const [filters, expected] of [
    [[], true],
    [[""], true],
    [["id==abc"], true],
    [[" id == abc , empty "], true],
    [["id==abc,empty==x"], false],
    [["id==x", "empty"], true],
    [["id!=x"], true],
    [["absent!=x"], true],
    [['absent==""'], false],
    [["absent"], false],
    [["absent~=^$"], true],
    [["id~=^a.c$"], true],
    [["id~=/^a/"], true],
    [["id~=|b|"], true],
    [['labels."a.b"=="x,\\"y\\""'], true],
    [['labels.plain=="\\x7a"'], true],
    [['labels.plain=="\\172"'], true],
    [["labels.plain"], true],
    [["labels.constructor"], false],
  ] as const)
    assert.equal(parseSelectors(filters)(field), expected, JSON.stringify(filters));
});

test("a malformed filter is refused, and the error shows the place", () => {
  for (const [filter, message] of [
    ["type=regular", '[type >|=|< regular]: unsupported operator "="'],
    ["ref+foo", '[ref >|+|< foo]: expected an operator ("=="|"!="|"~=")'],
    ["==x", "[ >|=|< =x]: expected field or quoted"],
    ["id==a,", "[id==a,]: expected field or quoted"],
    ["id==a b", "[id==a  >|b|< ]: unexpected input: b"],
    ["id==", "[id==]: expected value or quoted"],
    ["id==/a/", "[id== >|/|< a/]: invalid quote encountered"],
    ['id=="\\q"', '[id== >|"|< \\q"]: expected value or quoted'],
    ["id~=(", '[id~= >|(|< ]: "(" is not a regular expression'],
    [`id==${"a".repeat(5000)}`, "more than 4096 characters"],
  ] as const)
    assert.throws(
      () => parseSelectors([filter]),
      (error) => isVarveError(error, "invalid-argument") && error.message.includes(message),
      filter,
    );
});

test("a pattern that takes too long does not match", () => {
  const slow = parseSelectors(["id~=^(a+)+$"]);
  assert.equal(
    slow(() => `${"a".repeat(60)}b`),
    false,
  );
  assert.equal(
    slow(() => "aaa"),
    true,
  );
});

test("filters that take too long on many objects are an error", () => {
  const slow = parseSelectors([Array.from({ length: 100 }, () => "id~=^(a+)+$").join(","), "id~=^(b|b)+$"]);
  const matchAll = (): void => {
    for (let object = 0; object < 1000; object += 1) slow(() => `${"a".repeat(60)}b`);
  };
  assert.throws(matchAll, { code: "limit-exceeded" });
});

test("any text is read or refused", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("a", "=", "!", "~", ",", ".", '"', "\\", " ", "x", "(", "/") }),
      (text) => {
        try {
          parseSelectors([text])(field);
          return true;
        } catch (error) {
          return error instanceof VarveError;
        }
      },
    ),
  );
});

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { isVarveError } from "../error.ts";
import type { ErrorCode } from "../error-code.ts";
import { type JsonNode, parseJson, readJsonValue } from "./read.ts";

function refused(run: () => unknown, code: ErrorCode, message: RegExp): void {
  assert.throws(run, (error) => isVarveError(error, code) && message.test(error.message), String(message));
}

const objectOf = (text: string): ReturnType<JsonNode["requiredObject"]> => parseJson(text, "x").requiredObject();

suite("values", () => {
  test("null and absent are the same, and empty items of lists and maps", () => {
    const json = objectOf('{"a":null,"list":["x",null],"map":{"k":null}}');
    for (const key of ["a", "b"]) {
      assert.equal(json.string(key), undefined);
      assert.equal(json.object(key), undefined);
      assert.equal(json.has(key), false);
      assert.deepEqual(json.objects(key), []);
    }
    assert.equal(json.isNull("a"), true);
    assert.equal(json.isNull("b"), false);
    assert.deepEqual(json.strings("list"), ["x", ""]);
    assert.deepEqual(json.stringMap("map"), new Map([["k", ""]]));
  });

  test("a value of another type is named by its path", () => {
    const json = objectOf('{"a":{"b":[{"c":1}]},"odd key":true,"n":1.5,"s":-1,"t":"soon","o":[]}');
    const list = json.object("a")?.objects("b");
    refused(() => list?.[0]?.string("c"), "corrupt", /^Cannot read x: its field a\.b\.0\.c is not a string$/);
    refused(() => json.string("odd key"), "corrupt", /its field "odd key" is not a string$/);
    refused(() => json.integer("n"), "corrupt", /its field n is not an integer$/);
    refused(() => json.size("s"), "corrupt", /its field s is not a number of bytes$/);
    refused(() => json.size("absent"), "corrupt", /its field absent is not a number of bytes$/);
    refused(() => json.time("t"), "corrupt", /its field t is not a time$/);
    refused(() => json.digest("t"), "corrupt", /its field t is not a digest$/);
    refused(() => json.object("o"), "corrupt", /its field o is not an object$/);
    refused(() => json.boolean("n"), "corrupt", /its field n is not true or false$/);
    refused(() => parseJson("[]", "x").requiredObject(), "corrupt", /^Cannot read x: it is not a JSON object$/);
  });

  test("keys are never properties of anything", () => {
    const json = objectOf('{"__proto__":{"a":"b"},"constructor":"c"}');
    assert.equal(json.string("toString"), undefined);
    assert.equal(json.string("constructor"), "c");
    assert.deepEqual([...(json.stringMap("__proto__") ?? [])], [["a", "b"]]);
  });

  test("a list stops at its first wrong item", () => {
    let read = 0;
    const list = readJsonValue([1, ...Array.from({ length: 1000 }, () => "a")], "x");
    refused(() => list.list((item) => (read++, item.string())), "corrupt", /its field 0 is not a string/);
    assert.equal(read, 1);
  });
});

suite("fields", () => {
  test("names match in any case if asked for, the last one counts", () => {
    const text = '{"Digest":"a","dIgEsT":"b","\\u212aey":"kelvin"}';
    const json = parseJson(text, "x", { fieldNames: "any-case" }).requiredObject();
    assert.equal(json.string("digest"), "b");
    assert.equal(json.string("key"), "kelvin");
    assert.equal(objectOf(text).string("digest"), undefined);
  });

  test("fields that were not read are unknown, and can be rejected", () => {
    const json = objectOf('{"a":1,"b":{"c":2}}');
    assert.equal(json.integer("a"), 1);
    assert.deepEqual(json.unknown(), new Map([["b", { c: 2 }]]));
    refused(() => json.rejectUnknown(), "corrupt", /its field b is not a known setting$/);
    json.field("b");
    json.rejectUnknown();
    assert.equal(json.unknown(), undefined);
  });
});

suite("documents", () => {
  test("bounds hold before anything is parsed", () => {
    refused(() => parseJson("[1,2]", "x", { limit: 4 }), "limit-exceeded", /larger than 4 bytes/);
    refused(() => parseJson("[".repeat(65), "x"), "limit-exceeded", /nested too deep/);
    refused(() => parseJson(`[${"0,".repeat(2_000_000)}0]`, "x"), "limit-exceeded", /more than 2000000 values/);
    const brackets = JSON.stringify({ a: `"${"[".repeat(100)}\\`, b: "\\" });
    assert.deepEqual(parseJson(brackets, "x").raw, JSON.parse(brackets));
    refused(() => readJsonValue([1, 2, 3], "x").list(() => 0, 2), "limit-exceeded", /more than 2 items/);
  });

  test("bytes that are not UTF-8 are replaced, and a byte order mark is no JSON, as in Go", () => {
    assert.equal(parseJson(Buffer.from([0x22, 0xff, 0x22]), "x").string(), "\ufffd");
    refused(() => parseJson(Buffer.from("\ufeff{}"), "x"), "corrupt", /it is not JSON$/);
  });

  test("the caller chooses code and error", () => {
    refused(() => parseJson("{", "x", { code: "invalid-argument" }), "invalid-argument", /it is not JSON$/);
    const causes: unknown[] = [];
    const error = (state: string, cause?: unknown): Error => {
      causes.push(cause);
      return new RangeError(state);
    };
    assert.throws(() => parseJson("{", "x", { error }), RangeError);
    assert.throws(() => parseJson("1", "x", { error }).string(), RangeError);
    assert.ok(causes[0] instanceof SyntaxError);
    assert.equal(causes[1], undefined);
  });

  test("any JSON value is read as it is", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value);
        assert.deepEqual(parseJson(text, "x").raw, JSON.parse(text));
        assert.deepEqual(parseJson(Buffer.from(text), "x").raw, JSON.parse(text));
      }),
    );
  });
});

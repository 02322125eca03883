import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { digestOf, isVarveError } from "../../core/index.ts";
import { decodeSourceMap, type SourceMap } from "../index.ts";
import { encodeSourceMap } from "./source-map.ts";

const digest = digestOf("x");

test("a source map as BuildKit's client writes it", () => {
  // infos = 2 { filename "Dockerfile", data "FROM a", language = 4 "Dockerfile" }
  const info = `0a0a446f636b657266696c65120646524f4d2061220a446f636b657266696c65`;
  // locations = 1 { key, value = 2 { locations = 1 { ranges = 2 { start = 1 { line = 1: 3 } end = 2 { line: 4, character: 5 } } } } }
  const range = "0a020803120408041005";
  const location = `120a${range}`;
  const entry = `0a47${Buffer.from(digest).toString("hex")}120e0a0c${location}`;
  const bytes = Buffer.from(`0a59${entry}1220${info}`, "hex");
  const expected: SourceMap = {
    files: [{ filename: "Dockerfile", data: Buffer.from("FROM a"), language: "Dockerfile" }],
    locations: new Map([
      [digest, [{ file: 0, ranges: [{ start: { line: 3, character: 0 }, end: { line: 4, character: 5 } }] }]],
    ]),
  };
  assert.deepEqual(plain(decodeSourceMap(bytes)), plain(expected));
  assert.equal(Buffer.from(encodeSourceMap(expected)).toString("hex"), bytes.toString("hex"));
});

function plain({ files, locations }: SourceMap): unknown {
  return { files: files.map(({ data, ...file }) => ({ ...file, data: Buffer.from(data).toString() })), locations };
}

test("a location in a file that is not there is an error, and no source map is an empty one", () => {
  const map: SourceMap = { files: [], locations: new Map([[digest, [{ file: 0, ranges: [] }]]]) };
  assert.throws(() => decodeSourceMap(encodeSourceMap(map)), { code: "invalid-argument" });
  assert.deepEqual(decodeSourceMap(undefined), { files: [], locations: new Map() });
});

test("bytes that are not a source map are rejected as such", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      try {
        decodeSourceMap(bytes);
      } catch (error) {
        assert.ok(isVarveError(error, "corrupt", "invalid-argument"), String(error));
      }
    }),
  );
});

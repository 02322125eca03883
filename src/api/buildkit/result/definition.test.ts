import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type SourceMap,
  decodeDefinition,
  decodeSourceMap,
  definitionOf,
  encodeDefinition,
  encodeSourceMap,
  fileActions,
  scratch,
} from "../../../llb/index.ts";
import { encodedDefinition, loadRef } from "./definition.ts";

const hex = (op: Uint8Array): string => Buffer.from(op).toString("hex");

test("a graph keeps the positions of its vertices when it is sent on", async () => {
  const made = scratch()
    .file(fileActions().mkfile("/a", 0o644, "a"))
    .file(fileActions().mkfile("/b", 0o644, "b"));
  const { ops, metadata } = definitionOf(made.edge);
  const file = {
    filename: "Dockerfile",
    data: Buffer.from("text"),
    language: "Dockerfile",
    definition: Buffer.from([10, 0]),
  };
  const ranges = [{ start: { line: 2, character: 0 }, end: { line: 3, character: 4 } }];
  const [, last] = [...metadata.keys()];
  assert.ok(last !== undefined);
  const source: SourceMap = { files: [file], locations: new Map([[last, [{ file: 0, ranges }]]]) };
  const ref = await loadRef(encodeDefinition({ ops, metadata, source: encodeSourceMap(source) }), {
    signal: new AbortController().signal,
  });
  const sent = decodeDefinition(encodedDefinition(ref));
  assert.deepEqual(sent.ops.map(hex), ops.map(hex));
  const { files, locations } = decodeSourceMap(sent.source);
  assert.deepEqual([files.map(({ filename }) => filename), locations], [["Dockerfile"], source.locations]);
  assert.deepEqual(decodeDefinition(encodedDefinition(undefined)), { ops: [], metadata: new Map(), source: undefined });
});

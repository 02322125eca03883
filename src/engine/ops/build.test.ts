import assert from "node:assert/strict";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { addLayer, recordsMissing, temporaryRecords } from "../../../testing/records.ts";
import type { Digest } from "../../core/index.ts";
import {
  type BuildOp,
  type Edge,
  type Vertex,
  definitionOf,
  encodeDefinition,
  fileActions,
  graphOf,
  local,
  makeVertex,
  scratch,
} from "../../llb/index.ts";
import { SCRATCH } from "../../record/index.ts";
import { executeBuild } from "./build.ts";
import { recordResult } from "./result.ts";

const skip = recordsMissing() ?? false;

type BuildVertex = Vertex & { readonly op: BuildOp };

function buildVertex(changes: Partial<BuildOp> = {}): BuildVertex {
  const op: BuildOp = {
    kind: "build",
    builder: -1,
    inputs: new Map([["buildkit.llb.definition", 0]]),
    attrs: new Map(),
    ...changes,
  };
  const input = local("x").edge ?? assert.fail();
  return { ...makeVertex({ op, inputs: [input] }), op };
}

const wanted = scratch().file(fileActions().mkdir("/d", 0o755)).edge;

/** Runs an op whose input has these files. Returns the edges that it solved, with their ancestors. */
async function run(
  vertex: BuildVertex,
  files: Readonly<Record<string, Uint8Array | string>>,
  ancestors?: ReadonlySet<Digest>,
): Promise<{ readonly solved: readonly (readonly [Edge, ReadonlySet<Digest>])[] }> {
  await using fixture = await temporaryRecords();
  const id = await addLayer(fixture, SCRATCH, (path) => {
    for (const [name, content] of Object.entries(files))
      if (typeof content === "string") symlinkSync(content, join(path, name));
      else writeFileSync(join(path, name), content);
  });
  const solved: (readonly [Edge, ReadonlySet<Digest>])[] = [];
  const nested = {
    load: (definition: Parameters<typeof graphOf>[0]) => Promise.resolve(graphOf(definition)),
    solve: (edge: Edge, above: ReadonlySet<Digest>) => {
      solved.push([edge, above]);
      return Promise.resolve(recordResult("made"));
    },
  };
  const context = { signal: new AbortController().signal, vertex: vertex.digest, report: () => undefined };
  const deps = { records: fixture.records, hold: fixture.hold, nested, ancestors };
  const results = await executeBuild(vertex, [recordResult(id)], deps, context);
  assert.deepEqual(results, [recordResult(solved.length === 0 ? SCRATCH : "made")]);
  return { solved };
}

test("the graph in a file of the input is built", { skip }, async () => {
  const bytes = encodeDefinition(definitionOf(wanted));
  const vertex = buildVertex();
  const { solved } = await run(vertex, { "buildkit.llb.definition": bytes });
  assert.equal(solved[0]?.[0].vertex.digest, wanted?.vertex.digest);
  assert.deepEqual([...(solved[0]?.[1] ?? [])], [vertex.digest]);
  const named = buildVertex({ attrs: new Map([["llbbuild.filename", "sub"]]) });
  assert.equal((await run(named, { file: bytes, sub: "/file" })).solved.length, 1, "links stay inside the input");
  assert.equal((await run(vertex, { "buildkit.llb.definition": new Uint8Array() })).solved.length, 0, "scratch");
});

test("an op without a definition that can be read is an error", { skip }, async () => {
  const cases: readonly (readonly [RegExp, BuildVertex, Readonly<Record<string, Uint8Array | string>>])[] = [
    [/^only LLB builder is currently allowed/, buildVertex({ builder: 0 }), {}],
    [/^no llb definition input buildkit.llb.definition found/, buildVertex({ inputs: new Map() }), {}],
    [/^failed to open buildkit.llb.definition: no such file/, buildVertex(), {}],
    [/is not a regular file$/, buildVertex(), { "buildkit.llb.definition": "." }],
    [/^Cannot read a protocol buffers message/, buildVertex(), { "buildkit.llb.definition": Buffer.of(255) }],
  ];
  for (const [message, vertex, files] of cases) await assert.rejects(run(vertex, files), { message });
});

test("a graph that contains an op which is building it is an error", { skip }, async () => {
  const vertex = buildVertex();
  const bytes = encodeDefinition(definitionOf({ vertex: buildVertex({ attrs: new Map([["a", "b"]]) }), output: 0 }));
  assert.equal((await run(vertex, { "buildkit.llb.definition": bytes })).solved.length, 1);
  const own = encodeDefinition(definitionOf({ vertex, output: 0 }));
  await assert.rejects(run(vertex, { "buildkit.llb.definition": own }), /contains the op itself/);
  const above = new Set([wanted?.vertex.digest ?? assert.fail()]);
  const files = { "buildkit.llb.definition": encodeDefinition(definitionOf(wanted)) };
  await assert.rejects(run(vertex, files, above), /contains the op itself/);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../../core/index.ts";
import {
  decodeDefinition,
  definitionOf,
  encodeDefinition,
  encodeOp,
  fileActions,
  graphOf,
  image,
  local,
  makeVertex,
  merge,
  missingCapability,
  noMetadata,
  scratch,
  vertexName,
  walkVertices,
  type Definition,
  type Op,
  type Vertex,
} from "../index.ts";

const rm = {
  kind: "rm",
  path: "/",
  allowNotFound: false,
  allowWildcard: false,
  input: -1,
  secondaryInput: -1,
  output: 0,
} as const;

function exec(): Extract<Op, { kind: "exec" }> {
  const op = scratch().run({ args: ["x"] }).root.edge?.vertex.op;
  assert.ok(op?.kind === "exec");
  return op;
}

function source(): Vertex {
  return makeVertex({ op: { kind: "source", identifier: "local://x", attrs: new Map() } });
}

/** Returns the message of the error of loading a definition, without the prefix that all of them have. */
function refusal(definition: Definition, options?: Parameters<typeof graphOf>[1]): string {
  try {
    graphOf(definition, options);
  } catch (error) {
    assert.ok(error instanceof Error);
    assert.match(error.message, /^failed to load LLB: /);
    return error.message.slice("failed to load LLB: ".length);
  }
  assert.fail("the definition was accepted");
}

function definitionOfOp(op: Op): Definition {
  return definitionOf({ vertex: makeVertex({ op }), output: 0 });
}

function raw(...ops: readonly Uint8Array[]): Definition {
  return { ops, metadata: new Map() };
}

const rejected: readonly (readonly [text: string, op: Op])[] = [
  ["invalid exec op with no args", { ...exec(), meta: { ...exec().meta, args: [] } }],
  ["invalid exec op with no mounts", { ...exec(), mounts: [] }],
  ["invalid exec op with no rootfs", { ...exec(), mounts: exec().mounts.map((mount) => ({ ...mount, dest: "/x" })) }],
  ["invalid file op with no actions", { kind: "file", actions: [] }],
  ["invalid merge op: it names input 1 of 0", { kind: "merge", inputs: [1] }],
  [
    "invalid file action 0: operand 0 is not an input or an earlier action",
    { kind: "file", actions: [{ ...rm, input: 0 }] },
  ],
  ["invalid file action 0: its output is 7", { kind: "file", actions: [{ ...rm, output: 7 }] }],
  ["invalid source op with no identifier", { kind: "source", identifier: "", attrs: new Map() }],
  ["invalid passthrough op with no id", { kind: "passthrough", id: "", outputs: [0] }],
  ["invalid passthrough op with no outputs", { kind: "passthrough", id: "x", outputs: [] }],
  ["invalid passthrough output input index 0", { kind: "passthrough", id: "x", outputs: [0] }],
];

for (const [text, op] of rejected)
  test(`an op is rejected: ${text}`, () => {
    assert.equal(refusal(definitionOfOp(op)), text);
  });

test("parts that are missing in the bytes are named", () => {
  const last = (bytes: Uint8Array): Uint8Array => encodeOp({ inputs: [{ digest: digestOf(bytes), output: 0 }] });
  for (const [hex, text] of [
    ["1200", "invalid exec op with no meta"],
    ["12022002", "invalid security mode 2"],
    ["12021807", "unknown network mode 7"],
    ["3a00", "invalid diff op with nil lower or upper input"],
    ["5a00", "invalid nil op"],
    ["0a03", "failed to parse llb proto op: Cannot read a protocol buffers message: it ends inside a field"],
    ["0a050a03616263", "invalid missing input digest abc"],
  ] as const) {
    const bytes = Buffer.from(hex, "hex");
    assert.equal(refusal(raw(bytes, last(bytes))), text);
  }
});

test("inputs must be there, also those of ops that the result does not need", () => {
  const one = source();
  const user = makeVertex({ op: { kind: "merge", inputs: [0] }, inputs: [{ vertex: one, output: 0 }] });
  const definition = definitionOf({ vertex: user, output: 0 });
  const missing = `invalid missing input digest ${one.digest}`;
  assert.equal(refusal({ ...definition, ops: definition.ops.slice(1) }), missing);
  const other = definitionOf({ vertex: makeVertex({ op: rmOp() }), output: 0 });
  assert.equal(refusal(raw(user.bytes, ...other.ops)), missing);
});

function rmOp(): Op {
  return { kind: "file", actions: [rm] };
}

test("outputs must be there", () => {
  const vertex = source();
  const edge = { vertex, output: -1 };
  assert.equal(refusal(definitionOf(edge)), "invalid input 0 output index -1");
  assert.equal(refusal(definitionOf({ vertex, output: 3 })), "invalid input 0 output index 3");
  const used = makeVertex({ op: { kind: "merge", inputs: [0] }, inputs: [{ vertex, output: 3 }] });
  assert.equal(refusal(definitionOf({ vertex: used, output: 0 })), "invalid input 0 output index 3");
});

test("a definition needs an op and a result", () => {
  const vertex = source();
  assert.equal(graphOf(raw()), undefined);
  assert.equal(refusal(raw(vertex.bytes)), "invalid LLB with 1 vertexes");
  assert.equal(refusal(raw(vertex.bytes, vertex.bytes)), "invalid LLB with 1 vertexes");
  assert.equal(
    refusal(raw(vertex.bytes, makeVertex({ op: rmOp() }).bytes)),
    "invalid LLB with no inputs on last vertex",
  );
});

test("ops may be listed twice, and users before what they use", () => {
  const definition = definitionOf(image("a").file(fileActions().mkdir("/x", 0o755)).edge);
  const [last = assert.fail(), ...others] = definition.ops.toReversed();
  const edge = graphOf({ ...definition, ops: [...others, ...others, last] });
  assert.equal(edge?.vertex.op.kind, "file");
});

test("fields that are not known here change the digest", () => {
  const unknown = Buffer.from("f2060178", "hex"); // field 110: "x"
  const bytes = Buffer.concat([source().bytes, unknown]);
  const last = encodeOp({ inputs: [{ digest: digestOf(bytes), output: 0 }] });
  const edge = graphOf(decodeDefinition(encodeDefinition(raw(bytes, last))));
  assert.equal(edge?.vertex.digest, digestOf(bytes));
  assert.notEqual(edge?.vertex.digest, source().digest);
});

test("a platform is normalised after the digest was taken", () => {
  const state = image("a", { platform: { os: "linux", architecture: "x86_64" } });
  const edge = graphOf(definitionOf(state.edge));
  assert.equal(edge?.vertex.digest, state.edge?.vertex.digest);
  assert.equal(edge?.vertex.platform?.architecture, "amd64");
});

test("capabilities are checked where a vertex needs them", () => {
  const vertex = source();
  const definition = definitionOf({ vertex, output: 0 });
  const needing = (cap: string): Definition => ({
    ...definition,
    metadata: new Map([...definition.metadata, [vertex.digest, { ...noMetadata, caps: new Set([cap]) }]]),
  });
  const options = { missing: missingCapability };
  assert.equal(refusal(needing("source.nope"), options), "unknown API capability source.nope");
  assert.ok(graphOf(needing("exec.meta.network.proxy"), options));
  assert.ok(graphOf(needing("file.copy.modestring"), options));
  assert.ok(graphOf(needing("source.nope")));
  assert.ok(graphOf(definition, options), "what this client writes is there");
});

test("a capability that is named is needed, whatever its value", () => {
  const vertex = source();
  const bytes = encodeDefinition(definitionOf({ vertex, output: 0 }));
  // field 2 { key, value { caps = 5 { "no": false } } }
  const metadata = Buffer.from("2a060a026e6f1000", "hex");
  const entry = Buffer.concat([
    Buffer.of(0x0a, 71),
    Buffer.from(vertex.digest),
    Buffer.of(0x12, metadata.length),
    metadata,
  ]);
  const definition = decodeDefinition(Buffer.concat([bytes, Buffer.of(0x12, entry.length), entry]));
  assert.equal(refusal(definition, { missing: missingCapability }), "unknown API capability no");
});

test("a graph may be deeper than the stack", () => {
  let state = local("x", { sessionId: "s" });
  for (let i = 0; i < 5000; i += 1) state = merge([state, state.file(fileActions().mkdir(`/${i}`, 0o755))]);
  const read = graphOf(definitionOf(state.edge));
  assert.equal(read?.vertex.digest, state.edge?.vertex.digest);
  assert.ok(read !== undefined && vertexName(read.vertex).length <= 65_536, "names do not double at each level");
  assert.equal(walkVertices([read.vertex]).length, 10_001);
});

test("an op may have many inputs", () => {
  const states = Array.from({ length: 3000 }, (_, index) => local(`${index}`, { sessionId: "s" }));
  const read = graphOf(definitionOf(merge(states).edge));
  assert.equal(read?.vertex.inputs.length, 3000);
});

test("a definition with too many ops is rejected", () => {
  const ops = Array.from({ length: (1 << 17) + 1 }, () => new Uint8Array());
  assert.match(refusal({ ops, metadata: new Map() }), /^invalid LLB with more than 131072 vertexes/);
});

test("loading stops when it is cancelled", () => {
  assert.throws(() => graphOf(definitionOfOp(rmOp()), { signal: AbortSignal.abort() }), { code: "cancelled" });
});

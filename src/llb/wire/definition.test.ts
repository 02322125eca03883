import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as fc from "fast-check";
import { type StepPolicy, isVarveError } from "../../core/index.ts";
import {
  cacheMapOf,
  decodeDefinition,
  decodeOp,
  definitionOf,
  diff,
  encodeDefinition,
  encodeOp,
  fileActions,
  graphOf,
  http,
  image,
  local,
  makeVertex,
  merge,
  requires,
  scratch,
  walkVertices,
  type Op,
  type State,
  type Vertex,
} from "../index.ts";

/** The ops of "ops are the bytes…" as BuildKit's client marshals them (Go, deterministic), in hexadecimal. */
const marshalled: unknown = JSON.parse(
  readFileSync(new URL("../../../testing/fixtures/llb/marshalled.json", import.meta.url), "utf8"),
);

const platform = { os: "linux", architecture: "arm64" };

/** A graph with an op of every kind, and every kind of mount and file action. */
function everything(): State {
  const base = image("alpine", { platform, name: "base", resolveMode: "pull" }).addEnv("A", "1").cd("/w").user("me");
  const context = local("context", { sessionId: "s", excludePatterns: ["*.log"], followPaths: ["a"] });
  const changed = base.file(
    fileActions()
      .mkdir("d", 0o755, { makeParents: true, owner: { user: "u", group: 5 }, timestamp: 1_700_000_000_000_000_001n })
      .copy(context, "a b", "x/", {
        mode: "u+x",
        includePatterns: ["*"],
        excludePatterns: ["y"],
        requiredPaths: ["/z"],
      })
      .mkfile("f", 0o600, Buffer.of(0, 255))
      .symlink("f", "/l", { owner: { user: 0 } })
      .rm("g", { allowNotFound: true, allowWildcard: true }),
    { ignoreCache: true, description: { "com.docker.dockerfile.v1.command": "x" } },
  );
  const ran = changed.run({
    args: ["sh", "-c", "true"],
    network: "host",
    security: "insecure",
    extraHosts: [{ host: "h", ip: "1.2.3.4" }],
    ulimits: [{ name: "nofile", soft: -1, hard: 1024 }],
    proxyEnv: { httpProxy: "p", httpsProxy: "", ftpProxy: "", noProxy: "n", allProxy: "" },
    validExitCodes: [0, 300],
    hostname: "host",
    cgroupParent: "cg",
    mounts: [
      { type: "cache", target: "/cache", id: "id", sharing: "locked" },
      { type: "tmpfs", target: "/tmp", size: 1 << 20 },
      { type: "bind", target: "/ctx", source: context, selector: "sub", readonly: true, contentCache: "on" },
      { type: "bind", target: "/out", source: scratch() },
    ],
    secrets: [
      { id: "s1", target: "/run/secrets/s1", mode: 0o440, optional: true },
      { id: "s2", env: "TOKEN" },
    ],
    ssh: [{}],
    cdiDevices: [{ name: "gpu", optional: true }],
    linuxResources: {
      memory: 1,
      memorySwap: -1,
      cpuShares: 2,
      cpuPeriod: 3,
      cpuQuota: 4,
      cpusetCpus: "0",
      cpusetMems: "1",
    },
    progressGroup: { id: "g", name: "group", weak: true },
    exportCache: false,
  });
  return requires(merge([ran.root, ran.mount("/out"), http("https://e.x/f")]), "wait", [context]);
}

/** A build op: nothing in a `State` makes one. */
function buildVertex(): Vertex {
  const attrs = new Map([
    ["z", ""],
    ["build-arg:A", "é"],
  ]);
  const inputs = new Map([
    ["buildkit.llb.definition", 0],
    ["b", 1],
  ]);
  const edges = [topOf(everything()), source()].map((vertex) => ({ vertex, output: 0 }));
  return makeVertex({
    op: { kind: "build", builder: -1, inputs, definition: Buffer.of(10, 0), attrs },
    inputs: edges,
    platform: { os: "windows", architecture: "amd64", osVersion: "10.0", osFeatures: ["win32k"] },
    constraints: ["a==b"],
  });
}

function topOf({ edge }: State): Vertex {
  assert.ok(edge);
  return edge.vertex;
}

test("a graph is the same after encoding and decoding", () => {
  const { edge } = everything();
  assert.ok(edge);
  const definition = decodeDefinition(encodeDefinition(definitionOf(edge)));
  const read = graphOf(definition);
  assert.equal(read?.vertex.digest, edge.vertex.digest);
  assert.deepEqual(plainGraph(read?.vertex), plainGraph(edge.vertex));
});

function plainGraph(root: Parameters<typeof walkVertices>[0][number] | undefined): unknown {
  return walkVertices(root === undefined ? [] : [root]).map(({ op, platform: target, metadata, digest }) => {
    const plain: unknown = JSON.parse(
      JSON.stringify(op, (_key, value: unknown) => {
        if (typeof value === "bigint") return value.toString();
        if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
        return value instanceof Map ? [...(value as Map<string, unknown>)].sort(([a], [b]) => (a < b ? -1 : 1)) : value;
      }),
    );
    return { plain, target, metadata, digest };
  });
}

test("scratch is an empty definition", () => {
  assert.deepEqual(definitionOf(scratch().edge).ops, []);
  assert.equal(graphOf(decodeDefinition(new Uint8Array())), undefined);
});

test("ops are the bytes that BuildKit's client marshals", () => {
  const written = walkVertices([topOf(everything()), topOf(diff(everything(), scratch())), buildVertex()]);
  assert.deepEqual(
    written.map(({ bytes }) => Buffer.from(bytes).toString("hex")),
    marshalled,
  );
});

test("members of a oneof come last; map entries are sorted by key", () => {
  const op: Op = {
    kind: "source",
    identifier: "local://c",
    attrs: new Map([
      ["b", ""],
      ["a", "1"],
    ]),
  };
  // constraints = 11 {}, source = 3 { identifier = 1, attrs = 2 { "a": "1" }, attrs = 2 { "b": "" } }
  const source = `0a096c6f63616c3a2f2f6312060a016112013112050a01621200`;
  assert.equal(Buffer.from(encodeOp({ op, inputs: [], constraints: [] })).toString("hex"), `5a001a1a${source}`);
});

test("negative numbers take ten bytes, and a byId of 0 is written", () => {
  const state = scratch().file(fileActions().mkdir("/", 0o755, { owner: { user: 0 } }));
  const bytes = Buffer.from(state.edge?.vertex.bytes ?? []).toString("hex");
  const minusOne = "ffffffffffffffffff01";
  // input = 1, secondaryInput = 2: -1; mkdir = 6 { path, mode = 0755, owner = 4 { user = 1 { byID = 2: 0 } }, timestamp = 5: -1 }
  assert.ok(bytes.includes(`08${minusOne}10${minusOne}32`));
  assert.ok(bytes.includes(`0a012f10ed0322040a02100028${minusOne}`));
});

test("bytes that are not a graph are rejected as such", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        graphOf(decodeDefinition(bytes));
        decodeOp(bytes);
      } catch (error) {
        assert.ok(isVarveError(error, "corrupt", "invalid-argument", "unsupported"), String(error));
      }
    }),
  );
});

test("a damaged graph is rejected, or is another graph", () => {
  const bytes = encodeDefinition(definitionOf(everything().edge));
  fc.assert(
    fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const spoilt = Uint8Array.from(bytes);
      spoilt[at] = (spoilt[at] ?? 0) ^ change;
      try {
        const edge = graphOf(decodeDefinition(spoilt));
        for (const vertex of walkVertices(edge === undefined ? [] : [edge.vertex]))
          if (vertex.op.kind !== "source") cacheMapOf(vertex);
      } catch (error) {
        assert.ok(isVarveError(error, "corrupt", "invalid-argument", "unsupported"), String(error));
      }
    }),
    { numRuns: 300 },
  );
});

function source(): ReturnType<typeof makeVertex> {
  return makeVertex({ op: { kind: "source", identifier: "local://x", attrs: new Map() } });
}

test("a policy is a label of the vertex's metadata: it survives the wire, and changes no digest", () => {
  const of = (policy: StepPolicy | undefined): State => image("a").run({ args: ["x"], policy }).root;
  const policy: StepPolicy = { ttl: { text: "7d", ms: 604_800_000 }, secrets: ["a", "b"], cutoff: true };
  const [plain, made] = [of(undefined), of(policy)];
  assert.equal(made.edge?.vertex.digest, plain.edge?.vertex.digest);
  const read = graphOf(decodeDefinition(encodeDefinition(definitionOf(made.edge))));
  assert.deepEqual(read?.vertex.metadata.policy, policy);
  assert.equal(read?.vertex.metadata.description.has("varve.policy"), false);
  const foreign = image("a").run({ args: ["x"], description: { "varve.policy": "never and more" } }).root;
  const kept = graphOf(decodeDefinition(encodeDefinition(definitionOf(foreign.edge))));
  assert.deepEqual(
    [kept?.vertex.metadata.policy, kept?.vertex.metadata.description.get("varve.policy")],
    [undefined, "never and more"],
  );
});

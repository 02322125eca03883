import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Descriptor, type Digest, digestOf } from "../core/index.ts";
import { lineRanges, parseDockerfile } from "../dockerfile/index.ts";
import { type CompileOptions, type CompileResult, compileDockerfile, gitContext } from "../frontend/index.ts";
import { type Edge, local } from "../llb/index.ts";
import { AMD64, imageConfig } from "../../testing/dockerfile-host.ts";
import {
  type BuildRequest,
  Capture,
  type Material,
  type ProvenanceFacts,
  type StepLayers,
  encodePredicate,
  provenanceOf,
  provenanceParameters,
} from "./index.ts";

const folder = new URL("../../testing/fixtures/attestations/", import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, folder), "utf8");

interface Predicate {
  readonly buildDefinition?: { readonly internalParameters: object };
  readonly runDetails?: { readonly metadata: Times };
  readonly metadata?: Times;
}
type Times = Readonly<Record<string, string>>;

/** A statement that BuildKit wrote: its predicate as text, and the run that it names. */
function golden(name: string): { text: string; invocation: Parameters<typeof encodePredicate>[1]; digests: string[] } {
  const statement = read(`provenance-${name}.statement.txt`);
  const text = statement.slice(statement.indexOf('"predicate":{') + '"predicate":'.length, -1);
  const predicate = JSON.parse(text) as Predicate;
  const times = predicate.runDetails?.metadata ?? predicate.metadata ?? {};
  return {
    text,
    digests: [...text.matchAll(/"(sha256:[0-9a-f]{64})":"step\d+"/g)].map(([, digest = ""]) => digest),
    invocation: {
      id: times["invocationId"] ?? times["buildInvocationID"] ?? "",
      startedOn: times["startedOn"] ?? times["buildStartedOn"] ?? "",
      finishedOn: times["finishedOn"] ?? times["buildFinishedOn"] ?? "",
    },
  };
}

const BASE = "sha256:9d5a983d580f8037df61f2d064596224cc93e57b55737966062b576ac1dfc01f";
const COMMIT = "763f07b9c3824013c0a71b88ccb4b726570ca063";
const BLOB = "sha256:bc103b4a84971ef6459b294a2b98568a2bfb72cded09d4acd1e16366a401f95b";
const GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";

interface Case {
  readonly name: string;
  readonly parameters: Record<string, string>;
  readonly dockerfile: string;
  readonly fileName?: string;
  readonly compile?: CompileOptions;
  readonly options: Record<string, string>;
  readonly root?: Record<string, string>;
  /** Solved besides the result. */
  readonly others?: readonly (Edge | undefined)[];
  readonly looked?: readonly Material[];
  readonly locals?: readonly string[];
  readonly dockerfileEdge?: Edge | undefined;
  /** Layers by the number of a step. */
  readonly layers?: Readonly<Record<number, readonly [digest: string, size: number][]>>;
}

const host: Parameters<typeof compileDockerfile>[2] = {
  resolveImage: () => Promise.resolve({ digest: BASE, config: imageConfig({ Env: ["PATH=/bin"] }) }),
};

async function predicateOf(item: Case): Promise<{ text: string; compiled: CompileResult }> {
  const file = parseDockerfile(item.dockerfile, { name: item.fileName ?? "Dockerfile" });
  const compiled = await compileDockerfile(file, { targetPlatform: AMD64, network: "none", ...item.compile }, host);
  const capture = new Capture();
  const pin: Parameters<Capture["addGraphs"]>[1] = ({ op }) =>
    Promise.resolve(op.identifier.startsWith("git") ? COMMIT : op.identifier.startsWith("http") ? BLOB : BASE);
  await capture.addGraphs(
    [compiled.edge, ...(item.others ?? [])].filter((edge) => edge !== undefined),
    pin,
  );
  for (const material of item.looked ?? []) capture.add(material);
  for (const name of item.locals ?? []) capture.add({ kind: "local", name });
  const requestOf = (options: Record<string, string>, frontend: string): BuildRequest => ({
    frontend,
    options: new Map(Object.entries(options)),
  });
  const facts: ProvenanceFacts = {
    capture,
    request: requestOf(item.options, "dockerfile.v0"),
    root: item.root && requestOf(item.root, ""),
    compatibility: 30,
    builderPlatform: AMD64,
    edge: compiled.edge,
    sources: {
      files: [
        {
          filename: item.fileName ?? "Dockerfile",
          language: "Dockerfile",
          data: Buffer.from(item.dockerfile),
          edge: item.dockerfileEdge,
        },
      ],
      locationsOf: (vertex) =>
        (compiled.sources.get(vertex) ?? []).map((range) => ({ file: 0, ranges: lineRanges(range) })),
    },
    layersOf: (vertex) => Promise.resolve(layersAt(compiled, vertex, item.layers ?? {})),
  };
  const parameters = provenanceParameters(new Map(Object.entries(item.parameters)));
  const provenance = await provenanceOf(facts, parameters, { dockerfileVersion: "1.26.0-dev" });
  return { text: encodePredicate(provenance, golden(item.name).invocation), compiled };
}

/** The graphs of these tests are chains whose order of steps is that of a walk. */
function layersAt({ edge }: CompileResult, vertex: Digest, layers: NonNullable<Case["layers"]>): StepLayers[] {
  const order: Digest[] = [];
  const walk = (at: Edge): void => {
    for (const input of at.vertex.inputs) walk(input);
    if (!order.includes(at.vertex.digest)) order.push(at.vertex.digest);
  };
  if (edge !== undefined) walk(edge);
  const found = layers[order.indexOf(vertex)];
  if (found === undefined) return [];
  const descriptors = found.map(([digest, size]): Descriptor => ({
    mediaType: GZIP,
    digest: `sha256:${digest}`,
    size,
  }));
  return [{ output: 0, layers: descriptors }];
}

const busybox: Material = {
  kind: "image",
  reference: "127.0.0.1:55917/library/busybox:1",
  platform: AMD64,
  digest: BASE,
  isLayout: false,
};
const dockerfileEdge = local("dockerfile", {
  followPaths: ["Dockerfile", "Dockerfile.dockerignore", "dockerfile"],
  sharedKeyHint: "dockerfile",
  differ: "none",
}).edge;

const client = { "force-network-mode": "none" };
const args = { ...client, "build-arg:VERSION": "1", "label:org.x": "y" };
const shared = {
  dockerfile: read("Dockerfile.provenance.txt"),
  compile: { buildArgs: new Map([["VERSION", "1"]]), labels: new Map([["org.x", "y"]]) },
  options: args,
  root: args,
  looked: [busybox],
  locals: ["context", "dockerfile"],
  dockerfileEdge,
  layers: {
    0: [["cd86b060a9f5563b6761f320fbd123392b268be55d46c71cb137c9430d401c51", 1_032_073]],
    4: [["bf0bf6f825f143f9820a0f722d66e9ee978a74cad2f514dff68e1bede65bea7b", 137]],
  },
} satisfies Partial<Case>;
const builder = { "builder-id": "https://ci.example/b/1" };

const GIT = "http://127.0.0.1:55918/r.git#v1";
const SECRET_GIT = "http://user:hunter22@127.0.0.1:55918/r.git#main";
const LAYERS = {
  base: ["0e46f6e71621ee1db510dd920064609d786f2ff0ff8f5bb1160aeba937b294c6", 98],
  top: ["2f69b43cd800f1d3e04010660c33d430fc7d289b327ce18b9978072efa64efc1", 99],
} satisfies Record<string, [string, number]>;

const LINE_3 = '{"locations":[{"ranges":[{"start":{"line":3},"end":{"line":3}}]}]}';

function gitCase(url: string): Pick<Case, "compile" | "options" | "dockerfile" | "dockerfileEdge" | "others"> {
  const state = gitContext(url);
  assert.ok(state !== undefined);
  return {
    dockerfile: "FROM scratch\nCOPY f /f\nADD http://127.0.0.1:55918/blob.txt /b\n",
    compile: { context: { kind: "state", state } },
    options: { ...client, context: url },
    dockerfileEdge: state.edge,
    others: [state.edge],
  };
}

const CASES: readonly Case[] = [
  { ...shared, name: "v1-max", parameters: { ...builder, mode: "max" } },
  { ...shared, name: "v1-min", parameters: { ...builder, mode: "min" } },
  { ...shared, name: "v0.2-max", parameters: { ...builder, mode: "full", version: "v0.2" } },
  { ...shared, name: "v0.2-min", parameters: { ...builder, mode: "min", version: "v0.2" } },
  {
    ...gitCase(SECRET_GIT),
    name: "v1-min-git-credentials",
    parameters: { mode: "min" },
    root: { ...client, context: SECRET_GIT },
  },
];

for (const item of CASES)
  test(`provenance is that of BuildKit: ${item.name}`, async () => {
    const { text } = await predicateOf(item);
    const { text: expected, digests } = golden(item.name);
    // In BuildKit's statement, the digests of steps that depend on a local source contain the id of a session.
    const known = digests.filter((digest) => text.includes(digest));
    const plain = (json: string): unknown =>
      JSON.parse(json.replaceAll(/"sha256:[0-9a-f]{64}":"(step\d+)"/g, (_all, step) => `"${step}":"${step}"`));
    assert.deepEqual(plain(text), plain(expected));
    assert.ok(digests.length === 0 || known.length >= 2, "no digest of a step is that of BuildKit");
    if (digests.length === 0) assert.equal(text, expected);
  });

test("provenance of a git context and a download is that of BuildKit, but for a leak", async () => {
  const vcs = { "vcs:revision": "abc", "vcs:source": "https://u:p@example.com/r.git" };
  const options = { ...client, ...vcs, context: GIT };
  const { text } = await predicateOf({
    ...gitCase(GIT),
    name: "v1-max-git-http",
    parameters: {},
    options,
    root: options,
    layers: { 1: [LAYERS.base], 3: [LAYERS.base, LAYERS.top] },
  });
  const leak = '"vcs:source":"https://u:p@example.com/r.git"';
  // The graph has the line of an ADD also for what it downloads.
  const [noLine, line] = ['"step2":{}', `"step2":${LINE_3}`];
  const { text: expected } = golden("v1-max-git-http");
  assert.ok(expected.includes(leak) && expected.includes(noLine));
  const mended = expected.replace(leak, '"vcs:source":"https://xxxxx:xxxxx@example.com/r.git"').replace(noLine, line);
  assert.deepEqual(JSON.parse(text), JSON.parse(mended));
  assert.equal(text, mended);
});

test("named contexts are images of a registry and of a layout", async () => {
  const given = {
    ...client,
    "context:di": "docker-image://127.0.0.1:55917/library/busybox:1",
    "context:ly": `oci-layout://st@${BASE}`,
  };
  const { text } = await predicateOf({
    name: "v1-min-named-contexts",
    parameters: { mode: "min" },
    fileName: "Dockerfile.n",
    dockerfile: `FROM di AS a\nFROM ly AS b\nFROM 127.0.0.1:55917/library/busybox@${BASE}\nCOPY --from=a /bin/sh /a\nCOPY --from=b /bin/sh /b\n`,
    compile: {
      namedContexts: new Map([
        ["di", { kind: "image", reference: "127.0.0.1:55917/library/busybox:1" }],
        ["ly", { kind: "oci-layout", reference: `st@${BASE}` }],
      ]),
    },
    options: { ...given, filename: "Dockerfile.n" },
    root: { ...given, filename: "Dockerfile.n" },
    looked: [busybox],
    locals: ["context", "dockerfile"],
  });
  const { text: expected } = golden("v1-min-named-contexts");
  assert.deepEqual(JSON.parse(text), JSON.parse(expected));
  assert.equal(text, expected);
});

test("no credential of a URL is in provenance", async () => {
  const vcs = { "vcs:source": "https://user:hunter22@example.com/a.git" };
  const options = { ...client, ...vcs, context: SECRET_GIT, "context:tool": "https://user:hunter22@example.com/t.git" };
  const { text } = await predicateOf({
    ...gitCase(SECRET_GIT),
    name: "v1-max",
    parameters: {},
    options,
    root: options,
    dockerfile: "FROM scratch\nADD http://user:hunter22@127.0.0.1/blob.txt?token=hunter22 /b\n",
  });
  const where = text.indexOf("hunter22");
  const data = Buffer.from("hunter22").toString("base64");
  assert.equal(where, -1, text.slice(where - 40, where + 40));
  assert.ok(!text.includes(digestOf("hunter22")) && !text.includes(data));
  assert.match(text, /http:\/\/xxxxx:xxxxx@127\.0\.0\.1\/blob\.txt\?token=\*\*\*/);
});

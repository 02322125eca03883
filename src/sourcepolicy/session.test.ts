import assert from "node:assert/strict";
import { test } from "node:test";
import { VarveError, isVarveError } from "../core/index.ts";
import { definitionOf, fileActions, git, graphOf, image, scratch, walkVertices, type SourceOp } from "../llb/index.ts";
import {
  type PolicyAnswer,
  PolicyEngine,
  type PolicyRequest,
  applyPolicy,
  canonicalIdentifier,
  judgeSource,
} from "./index.ts";

interface Question {
  readonly source: SourceOp;
}

const op: SourceOp = {
  kind: "source",
  identifier: "docker-image://alpine",
  attrs: new Map([["image.layerlimit", "1"]]),
};
const engine = new PolicyEngine([]);
const platform = { os: "linux", architecture: "amd64" };
const ALPINE = "docker-image://docker.io/library/alpine:latest";

/** Judges `op` by a verifier that gives these answers. Returns the source, and what the verifier was asked. */
async function judged(...answers: readonly (PolicyAnswer<Question> | ((asked: SourceOp) => PolicyAnswer<Question>))[]) {
  const asked: PolicyRequest<string>[] = [];
  const session = {
    check: async (request: PolicyRequest<string>) => {
      asked.push(request);
      const answer = answers[Math.min(asked.length, answers.length) - 1] ?? { kind: "none" as const };
      return await Promise.resolve(typeof answer === "function" ? answer(request.source) : answer);
    },
    resolve: async ({ source }: Question) => await Promise.resolve(`meta of ${source.identifier}`),
  };
  return { source: await judgeSource(op, platform, { engine, session }), asked };
}

const allow: PolicyAnswer<Question> = { kind: "decision", decision: { action: "ALLOW", denyMessages: [] } };

function ask(source: SourceOp): PolicyAnswer<Question> {
  return { kind: "request", request: { source } };
}

function convert(identifier: string): PolicyAnswer<Question> {
  const update = { ...op, identifier };
  return { kind: "decision", decision: { action: "CONVERT", denyMessages: [], update } };
}

test("a verifier sees the canonical identifier, the attributes and the platform", async () => {
  const { source, asked } = await judged(allow);
  assert.equal(source.identifier, ALPINE);
  assert.deepEqual(asked, [{ platform, source: { ...op, identifier: ALPINE }, meta: undefined }]);
});

test("what a verifier requests comes with the next question", async () => {
  const { asked } = await judged(ask, allow);
  assert.deepEqual(
    asked.map(({ meta }) => meta),
    [undefined, `meta of ${ALPINE}`],
  );
});

test("a conversion is judged again, without what was looked up for the former source", async () => {
  const { source, asked } = await judged(ask, convert("docker-image://busybox"), allow);
  assert.equal(source.identifier, "docker-image://docker.io/library/busybox:latest");
  assert.deepEqual(
    asked.map((request) => [request.source.identifier, request.meta !== undefined]),
    [
      [ALPINE, false],
      [ALPINE, true],
      ["docker-image://docker.io/library/busybox:latest", false],
    ],
  );
});

test("a refusal has the verifier's messages", async () => {
  const decision = { action: "DENY", denyMessages: ["no alpine", "use busybox"] } as const;
  await assert.rejects(judged({ kind: "decision", decision }), (error) => {
    assert.ok(isVarveError(error, "invalid-build"));
    assert.equal(error.message, `source "${ALPINE}" not allowed by policy: action DENY`);
    assert.deepEqual(error.details.policy, decision);
    return true;
  });
});

test("answers that make no sense are errors, and so are too many", async () => {
  const other = { ...op, identifier: "docker-image://x" };
  const attrs = new Map([["image.layerlimit", "2"]]);
  for (const [message, answer] of [
    ["no decision in policy response", { kind: "none" }],
    [/^policy requested different source identifier: "docker-image:\/\/x" != /, ask(other)],
    [/value mismatch for key image.layerlimit: 1 != 2$/, (asked: SourceOp) => ask({ ...asked, attrs })],
    [/map length mismatch: 1 != 0$/, (asked: SourceOp) => ask({ ...asked, attrs: new Map() })],
    ["convert action requires updated source", { kind: "decision", decision: { action: "CONVERT", denyMessages: [] } }],
    ["too many policy requests", ask],
  ] as const)
    await assert.rejects(judged(answer), { code: "invalid-build", message });
});

test("identifiers are made canonical", () => {
  for (const [identifier, expected] of [
    [
      "docker-image://busybox@sha256:" + "a".repeat(64),
      "docker-image://docker.io/library/busybox@sha256:" + "a".repeat(64),
    ],
    ["docker-image://UPPER", "docker-image://UPPER"],
    ["git://github.com/user/repo.git#main:../absolute/path", "git://github.com/user/repo.git#main:absolute/path"],
    ["git://github.com/user/../x/repo.git", "git://github.com/x/repo.git"],
    ["git://github.com/user/repo.git#:/", "git://github.com/user/repo.git"],
    ["https://e.x/a/../b", "https://e.x/a/../b"],
    ["local://context", "local://context"],
  ] as const)
    assert.equal(canonicalIdentifier({ identifier }), expected);
});

test("a definition gets new digests only where a source changed", async () => {
  const base = image("alpine");
  const kept = git("https://e.x/r.git");
  const top = base.file(fileActions().copy(kept, "a", "/")).file(fileActions().mkdir("/d", 0o755));
  const untouched = scratch().file(fileActions().copy(kept, "b", "/"));
  const definition = definitionOf(top.file(fileActions().copy(untouched, "b", "/")).edge);
  const same = await applyPolicy(definition, (source) => Promise.resolve(source));
  assert.equal(same.definition, definition);

  const { definition: changed, original } = await applyPolicy(definition, (source) =>
    Promise.resolve(
      source.identifier.startsWith("docker-image")
        ? { ...source, identifier: "docker-image://docker.io/library/b:1" }
        : source,
    ),
  );
  const edge = graphOf(changed);
  assert.ok(edge);
  const vertices = walkVertices([edge.vertex]);
  const digests = new Set(vertices.map(({ digest }) => digest));
  assert.ok(kept.edge && untouched.edge && top.edge && base.edge);
  assert.ok(digests.has(kept.edge.vertex.digest) && digests.has(untouched.edge.vertex.digest));
  assert.ok(!digests.has(top.edge.vertex.digest) && !digests.has(base.edge.vertex.digest));
  const rebuilt = image("b:1").file(fileActions().copy(kept, "a", "/"));
  assert.ok(rebuilt.edge && digests.has(rebuilt.edge.vertex.digest), "the bytes are those of a graph with that source");
  const before = new Set(vertices.map(({ digest }) => original.get(digest)));
  assert.ok(before.has(base.edge.vertex.digest) && before.has(top.edge.vertex.digest));
  const image0 = vertices.find(({ op: { kind } }) => kind === "source");
  assert.ok(image0 !== undefined && image0.metadata.caps.has("source.image"), "metadata follows its op");
});

test("a refusal says which part of the graph is not allowed", async () => {
  const definition = definitionOf(image("alpine").edge);
  const judge = (): Promise<SourceOp> => Promise.reject(new VarveError("invalid-build", "no"));
  await assert.rejects(applyPolicy(definition, judge), {
    code: "invalid-build",
    message: "failed to load LLB: error evaluating the source policy: no",
  });
});

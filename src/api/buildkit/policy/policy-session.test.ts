import assert from "node:assert/strict";
import { test } from "node:test";
import { withSession } from "../../../../testing/session-daemon.ts";
import { isVarveError } from "../../../core/index.ts";
import type { SourceMeta } from "../../../engine/index.ts";
import { unary } from "../../../grpc/index.ts";
import { definitionOf, image } from "../../../llb/index.ts";
import { statusError, statusOf } from "../errors/status.ts";
import { PolicyAction } from "../proto/gen/policy_pb.ts";
import { PolicyVerifier } from "../proto/gen/policysession_pb.ts";
import { served } from "../proto/methods.ts";
import type { NamedMetaRequest } from "../gateway/meta-messages.ts";
import { type BuildPolicy, buildPolicies, judgeForMeta } from "./build-policy.ts";
import { clientVerifier } from "./policy-session.ts";

const ALPINE = "docker-image://docker.io/library/alpine:latest";
const BUSYBOX = "docker-image://docker.io/library/busybox:latest";
const DIGEST = `sha256:${"a".repeat(64)}` as const;
const platform = { os: "linux", architecture: "arm64" };

function source(identifier: string): { kind: "source"; identifier: string; attrs: Map<string, string> } {
  return { kind: "source", identifier, attrs: new Map([["image.resolvemode", "pull"]]) };
}

/** Allows busybox; converts alpine to it, once it has seen the digest; denies everything else. */
const verifier = unary(served(PolicyVerifier.method.checkPolicy), async ({ source: meta, platform: asked }) => {
  const { identifier, attrs } = meta?.source ?? { identifier: "", attrs: {} };
  assert.equal(asked?.Architecture, "arm64");
  if (identifier === BUSYBOX) return { result: { case: "decision" as const, value: { action: PolicyAction.ALLOW } } };
  if (identifier !== ALPINE) {
    const value = { action: PolicyAction.DENY, denyMessages: [{ message: "no <others>" }] };
    return { result: { case: "decision" as const, value } };
  }
  if (meta?.image === undefined) {
    const value = { source: { identifier, attrs }, platform: asked, logName: "look", image: { noConfig: true } };
    return { result: { case: "request" as const, value } };
  }
  assert.equal(meta.image.digest, DIGEST);
  const value = { action: PolicyAction.CONVERT, update: { identifier: BUSYBOX, attrs: {} } };
  return { result: { case: "decision" as const, value } };
});

async function withPolicy(
  use: (policy: BuildPolicy, asked: readonly NamedMetaRequest[]) => Promise<void>,
): Promise<void> {
  const asked: NamedMetaRequest[] = [];
  const { signal } = new AbortController();
  const sourceMeta = async (question: NamedMetaRequest): Promise<SourceMeta> => {
    asked.push(question);
    return { source: question.request.source, image: { digest: DIGEST } };
  };
  await withSession([verifier], async (session) => {
    const client = clientVerifier({ session: async () => session, sourceMeta, signal });
    const policy = buildPolicies([], { verifier: client, signal }).policyOf([]);
    assert.ok(policy !== undefined);
    await use(policy, asked);
  });
}

test("a client asks about a source, and converts it", async () => {
  await withPolicy(async ({ judge }, asked) => {
    const judged = await judge(source(ALPINE), platform);
    assert.deepEqual([judged.identifier, [...judged.attrs]], [BUSYBOX, []]);
    const request = {
      source: source(ALPINE),
      platform,
      resolveMode: undefined,
      image: { noConfig: true, attestationChain: false, resolveAttestations: [] },
      git: undefined,
      http: undefined,
    };
    assert.deepEqual(
      asked.map(({ name, request: given }) => ({ name, request: given })),
      [{ name: "look", request }],
    );
  });
});

test("the sources of a graph are judged for its platform", async () => {
  await withPolicy(async ({ apply }) => {
    const { original } = await apply(definitionOf(image("alpine", { platform }).edge));
    assert.equal(original.size, 2);
  });
});

test("a client says why it denies a source", async () => {
  await withPolicy(async ({ judge }) => {
    const error = await judgeForMeta(source("git://x"), platform, judge).catch((thrown: unknown) => thrown);
    assert.ok(isVarveError(error, "invalid-build"));
    const text = 'could not resolve image due to policy: source "git://x" not allowed by policy: action DENY';
    assert.equal(error.message, text);
    const { message, details } = statusOf(statusError(error));
    assert.equal(message, text);
    const [detail] = details;
    assert.equal(detail?.typeUrl, "github.com/moby/buildkit/policysession.DecisionResponse+json");
    assert.deepEqual(JSON.parse(Buffer.from(detail.value).toString()), {
      action: 1,
      denyMessages: [{ message: "no <others>" }],
    });
  });
});

test("without rules and verifier there is no policy; a call may bring rules", () => {
  const policies = buildPolicies([], { signal: new AbortController().signal });
  assert.equal(policies.policyOf([]), undefined);
  assert.equal(policies.rulesOf([]), undefined);
});

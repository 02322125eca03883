import type { CompileHost } from "../../../frontend/index.ts";
import type { SourceOp } from "../../../llb/index.ts";
import { type Judge, PolicyEngine, applyPolicy, judgeSource } from "../../../sourcepolicy/index.ts";
import { VarveError, isVarveError } from "../../../core/index.ts";
import type { Policy as PolicyMessage } from "../proto/gen/policy_pb.ts";
import type { GraphLoading } from "../result/definition.ts";
import type { ClientVerifier } from "./policy-session.ts";
import { readPolicy } from "./read-policy.ts";

/** The policies of a build. */
export interface BuildPolicy {
  readonly judge: Judge;
  /** Applies the policies to a definition. */
  readonly apply: NonNullable<GraphLoading["applyPolicy"]>;
}

interface PolicyOptions {
  /** Judges sources after the rules. */
  readonly verifier?: ClientVerifier | undefined;
  readonly signal: AbortSignal;
}

/** The policies of a build, and of calls that bring some of their own. */
export interface BuildPolicies {
  /** Returns the policies of the build and the given ones; undefined if there are none. */
  policyOf(own: readonly PolicyMessage[]): BuildPolicy | undefined;
  /** Returns the given policies only; undefined if there are none. */
  rulesOf(own: readonly PolicyMessage[]): BuildPolicy | undefined;
}

/**
 * Returns the policies of a build with the given rules. The functions throw `invalid-argument` with BuildKit's text for a malformed
 * policy.
 */
export function buildPolicies(messages: readonly PolicyMessage[], options: PolicyOptions): BuildPolicies {
  const { signal } = options;
  return {
    policyOf: (own) => buildPolicy([...messages, ...own], options),
    rulesOf: (own) => buildPolicy(own, { signal }),
  };
}

function buildPolicy(
  messages: readonly PolicyMessage[],
  { verifier: session, signal }: PolicyOptions,
): BuildPolicy | undefined {
  if (messages.length === 0 && session === undefined) return undefined;
  const engine = new PolicyEngine(messages.map(readPolicy));
  const judge: Judge = async (source, platform) => await judgeSource(source, platform, { engine, session });
  return { judge, apply: async (definition) => await applyPolicy(definition, judge, signal) };
}

/**
 * Returns what decides about the URLs that steps request by a proxy: a policy sees them as downloads. One that a policy changes in another
 * way than by its URL is refused.
 */
export function urlJudge({ judge }: BuildPolicy): (url: string) => Promise<string> {
  return async (url) => {
    const { identifier, attrs } = await judge({ kind: "source", identifier: url, attrs: new Map() }, undefined);
    if (attrs.size === 0) return identifier;
    throw new VarveError("invalid-build", `Cannot request ${url}: its policy sets more than a URL`);
  };
}

const IMAGE = "docker-image://";

/** Returns a host that asks about images and sources which policies allow, or those that take their place. */
export function policedHost(host: CompileHost, { judge }: BuildPolicy): CompileHost {
  return {
    ...host,
    resolveImage: async (request) => {
      if (request.ociStore !== undefined) return await host.resolveImage(request);
      const source = { kind: "source" as const, identifier: `${IMAGE}${request.reference}`, attrs: new Map() };
      const judged = await judgeImage(source, request.platform, judge);
      const reference = judged.identifier.slice(IMAGE.length);
      const resolved = await host.resolveImage({ ...request, reference });
      return reference === request.reference ? resolved : { ...resolved, reference };
    },
    sourceTime: async (request) => {
      const source = await judgeForMeta(request.source, request.platform, judge);
      return await host.sourceTime?.({ ...request, source });
    },
  };
}

async function judgeImage(source: SourceOp, ...[platform, judge]: [Parameters<Judge>[1], Judge]): Promise<SourceOp> {
  const judged = await judgeForMeta(source, platform, judge);
  if (judged.identifier.startsWith(IMAGE)) return judged;
  throw new VarveError(
    "unsupported",
    `could not resolve image due to policy: ${source.identifier} is replaced by ${judged.identifier}, which is not an image`,
    { details: { replacement: judged.identifier } },
  );
}

/** Returns the source whose metadata is looked up in place of the given one. Its errors say so, as BuildKit's do. */
export async function judgeForMeta(
  source: SourceOp,
  ...[platform, judge]: [Parameters<Judge>[1], Judge]
): Promise<SourceOp> {
  try {
    return await judge(source, platform);
  } catch (error) {
    if (!isVarveError(error) || error.code === "cancelled") throw error;
    const { code, details, message } = error;
    throw new VarveError(code, `could not resolve image due to policy: ${message}`, { details, cause: error });
  }
}

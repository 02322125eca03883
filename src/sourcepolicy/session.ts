import { type Platform, VarveError, messageOf } from "../core/index.ts";
import type { SourceOp } from "../llb/index.ts";
import type { PolicyEngine } from "./engine.ts";
import { canonicalIdentifier } from "./identifier.ts";
import type { PolicyAction } from "./types.ts";

/** What a verifier is asked: may this source be used? `meta` is the answer to what it requested before. */
export interface PolicyRequest<M> {
  readonly platform: Platform | undefined;
  readonly source: SourceOp;
  readonly meta: M | undefined;
}

/** What a verifier answers. */
export type PolicyAnswer<R> =
  | { readonly kind: "decision"; readonly decision: PolicyDecision }
  /** It needs to know more about the source first. */
  | { readonly kind: "request"; readonly request: R }
  | { readonly kind: "none" };

/** A verifier's decision about a source. */
export interface PolicyDecision {
  readonly action: PolicyAction;
  readonly denyMessages: readonly string[];
  /** What the source becomes, for `CONVERT`. */
  readonly update?: SourceOp | undefined;
}

/** A verifier outside of this process, and how its questions about a source are answered. */
export interface PolicySession<R extends { readonly source: SourceOp }, M> {
  check(request: PolicyRequest<M>): Promise<PolicyAnswer<R>>;
  /** Looks up what the verifier requested, without asking the policies again. */
  resolve(request: R): Promise<M>;
}

/** How often a verifier may be asked about one source, conversions included. */
const MAX_REQUESTS = 10;

/** A judge of sources: rules, and a verifier that is asked after them. */
export interface PolicyJudge<R extends { readonly source: SourceOp }, M> {
  readonly engine: PolicyEngine;
  readonly session?: PolicySession<R, M> | undefined;
}

/**
 * Returns the source that is to be used in place of the given one. Its identifier is canonical (`canonicalIdentifier`).
 *
 * @throws {VarveError} `invalid-build` for a source that is not allowed (`details.policy` has the verifier's decision), and for a
 * verifier that asks too often or answers with something else; the errors of `PolicyEngine.evaluate` and of the session.
 */
export async function judgeSource<R extends { readonly source: SourceOp }, M>(
  source: SourceOp,
  platform: Platform | undefined,
  { engine, session }: PolicyJudge<R, M>,
): Promise<SourceOp> {
  const evaluate = (op: SourceOp): SourceOp => engine.evaluate({ ...op, identifier: canonicalIdentifier(op) });
  let current = evaluate(source);
  if (session === undefined) return current;
  let meta: M | undefined;
  for (let requests = 0; requests < MAX_REQUESTS; requests += 1) {
    const answer = await session.check({ platform, source: current, meta });
    switch (answer.kind) {
      case "none":
        throw refused("no decision in policy response");
      case "request":
        checkSame(current, answer.request.source);
        meta = await requested(session, answer.request);
        break;
      case "decision": {
        const update = decide(current, answer.decision);
        if (update === undefined) return current;
        current = evaluate(update);
        meta = undefined;
      }
    }
  }
  throw refused("too many policy requests");
}

function refused(why: string): VarveError {
  return new VarveError("invalid-build", why);
}

async function requested<R extends { readonly source: SourceOp }, M>(
  session: PolicySession<R, M>,
  request: R,
): Promise<M> {
  try {
    return await session.resolve(request);
  } catch (error) {
    throw prefixed(error, "error resolving source metadata from policy request");
  }
}

/** Returns an error whose message has a prefix, with the code and the details of the given one. */
export function prefixed(error: unknown, prefix: string): unknown {
  if (!(error instanceof VarveError) || error.code === "cancelled") return error;
  const { code, details, hint } = error;
  return new VarveError(code, `${prefix}: ${messageOf(error)}`, { details, hint, cause: error });
}

/** Returns what the source becomes; undefined if it is allowed as it is. */
function decide({ identifier }: SourceOp, { action, denyMessages, update }: PolicyDecision): SourceOp | undefined {
  if (action === "ALLOW") return undefined;
  if (action === "CONVERT") {
    if (update === undefined) throw refused("convert action requires updated source");
    return update;
  }
  throw new VarveError(
    "invalid-build",
    `source ${JSON.stringify(identifier)} not allowed by policy: action ${action}`,
    {
      details: { policy: { action: String(action), denyMessages } },
    },
  );
}

/** Throws if a verifier asks about another source than it was asked about: its answer would be about another one too. */
function checkSame(source: SourceOp, other: SourceOp): void {
  if (other.identifier !== source.identifier) {
    const [asked, had] = [other, source].map(({ identifier }) => JSON.stringify(identifier));
    throw refused(`policy requested different source identifier: ${asked} != ${had}`);
  }
  const why = differenceOf(source.attrs, other.attrs);
  if (why !== undefined) throw refused(`policy requested different source attrs: ${why}`);
}

function differenceOf(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): string | undefined {
  if (a.size !== b.size) return `map length mismatch: ${a.size} != ${b.size}`;
  for (const [key, value] of a) {
    const other = b.get(key);
    if (other === undefined) return `key ${key} missing from second map`;
    if (other !== value) return `value mismatch for key ${key}: ${value} != ${other}`;
  }
  return undefined;
}

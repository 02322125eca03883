import type { SourceMeta } from "../../../engine/index.ts";
import type { SourceOp } from "../../../llb/index.ts";
import type { PolicyAnswer, PolicySession } from "../../../sourcepolicy/index.ts";
import { type NamedMetaRequest, metaMessage, metaRequestOf, sourceOf } from "../gateway/meta-messages.ts";
import type { CheckPolicyResponse } from "../proto/gen/policysession_pb.ts";
import type { ClientSession } from "../session/client-session.ts";
import { checkPolicy } from "../session/policy.ts";
import { platformMessage } from "../worker/platform-message.ts";
import { actionOf } from "./read-policy.ts";

/** A question of a client about a source that it is to judge. */
interface MetaQuestion extends NamedMetaRequest {
  readonly source: SourceOp;
}

/** A client's judgement of the sources of its build. */
export type ClientVerifier = PolicySession<MetaQuestion, SourceMeta>;

/** What a verifier needs of a build. */
interface VerifierHost {
  /** The session that has the verifier. Waits for it. */
  readonly session: () => Promise<ClientSession>;
  readonly sourceMeta: (asked: NamedMetaRequest) => Promise<SourceMeta>;
  readonly signal: AbortSignal;
}

/** Returns the verifier of a client. */
export function clientVerifier({ session, sourceMeta, signal }: VerifierHost): ClientVerifier {
  return {
    check: async ({ platform, source, meta = { source } }) => {
      const request = { ...(platform && { platform: platformMessage(platform) }), source: metaMessage(meta) };
      return answerOf(await checkPolicy(await session(), request, { signal }));
    },
    resolve: async (question) => await sourceMeta(question),
  };
}

function answerOf({ result }: CheckPolicyResponse): PolicyAnswer<MetaQuestion> {
  switch (result.case) {
    case "request": {
      const asked = metaRequestOf(result.value);
      return { kind: "request", request: { ...asked, source: asked.request.source } };
    }
    case "decision": {
      const { action, denyMessages, update } = result.value;
      const messages = denyMessages.map(({ message }) => message);
      const decision = { action: actionOf(action), denyMessages: messages, update: update && sourceOf(update) };
      return { kind: "decision", decision };
    }
    case undefined:
      return { kind: "none" };
  }
}

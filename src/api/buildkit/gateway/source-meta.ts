import type { MessageInitShape } from "@bufbuild/protobuf";
import { hostPlatform } from "../../../core/index.ts";
import { judgeForMeta, policedHost } from "../policy/build-policy.ts";
import type {
  ResolveImageConfigRequest,
  ResolveImageConfigResponseSchema,
  ResolveSourceMetaRequest,
} from "../proto/gen/gateway_pb.ts";
import { platformOf } from "../worker/platform-message.ts";
import type { ForwardedBuild } from "./forwarded-build.ts";
import { type MetaMessage, metaMessage, metaRequestOf } from "./meta-messages.ts";

/** The value of `resolverType` for an OCI layout. */
const LAYOUT_RESOLVER = 1;

/** Returns the digest and the config of an image. */
export async function resolveImageConfig(
  { session, policies }: ForwardedBuild,
  message: ResolveImageConfigRequest,
): Promise<MessageInitShape<typeof ResolveImageConfigResponseSchema>> {
  const { ref, resolveMode, logName } = message;
  const isLayout = message.resolverType === LAYOUT_RESOLVER;
  const rules = policies.rulesOf(message.sourcePolicies);
  const host = rules === undefined ? session.host : policedHost(session.host, rules);
  const { digest, config, reference } = await host.resolveImage({
    reference: ref,
    platform: platformOf(message.platform) ?? hostPlatform(),
    mode: resolveMode === "pull" || resolveMode === "local" ? resolveMode : "default",
    name: logName === "" ? `resolve image config for ${ref}` : logName,
    ...(isLayout ? { ociStore: message.storeId } : {}),
  });
  return { digest, config, ref: reference ?? ref };
}

/** Returns what is known of a source before its files are fetched, or of the source that takes its place by the policies. */
export async function resolveSourceMeta(
  { session, policies }: ForwardedBuild,
  message: ResolveSourceMetaRequest,
): Promise<MetaMessage> {
  const { name, request } = metaRequestOf(message);
  const policy = policies.policyOf(message.sourcePolicies);
  if (policy === undefined) return metaMessage(await session.sourceMeta(name, request));
  const source = await judgeForMeta(request.source, request.platform, policy.judge);
  return metaMessage(await session.sourceMeta(name, { ...request, source }));
}

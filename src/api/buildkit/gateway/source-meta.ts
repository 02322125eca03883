import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Platform, hostPlatform } from "../../../core/index.ts";
import { type LookedUpImage, tracedHost } from "../../../engine/index.ts";
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
  { shared: { session, policies }, trace }: ForwardedBuild,
  message: ResolveImageConfigRequest,
): Promise<MessageInitShape<typeof ResolveImageConfigResponseSchema>> {
  const { ref, resolveMode, logName } = message;
  const isLayout = message.resolverType === LAYOUT_RESOLVER;
  const rules = policies.rulesOf(message.sourcePolicies);
  const own = rules === undefined ? session.host : policedHost(session.host, rules);
  const host = tracedHost(own, trace);
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
  { shared: { session, policies }, trace }: ForwardedBuild,
  message: ResolveSourceMetaRequest,
): Promise<MetaMessage> {
  const { name, request } = metaRequestOf(message);
  const policy = policies.policyOf(message.sourcePolicies);
  const source =
    policy === undefined ? request.source : await judgeForMeta(request.source, request.platform, policy.judge);
  const meta = await session.sourceMeta(name, { ...request, source });
  if (meta.image !== undefined) trace.addImage(lookedUp(source.identifier, meta.image.digest, request.platform));
  return metaMessage(meta);
}

function lookedUp(identifier: string, digest: string, platform: Platform = hostPlatform()): LookedUpImage {
  const [, scheme = "", reference = ""] = /^([a-z-]+):\/\/(.*)$/s.exec(identifier) ?? [];
  return { reference, platform, digest, isLayout: scheme === "oci-layout" };
}

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { hostPlatform } from "../../../core/index.ts";
import type { ImageMeta, SourceMeta } from "../../../engine/index.ts";
import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import {
  ChecksumRequest_ChecksumAlgo as Algorithm,
  type ResolveImageConfigRequest,
  type ResolveImageConfigResponseSchema,
  type ResolveSourceHTTPRequest,
  type ResolveSourceMetaRequest,
  type ResolveSourceMetaResponseSchema,
} from "../proto/gen/gateway_pb.ts";
import { platformOf } from "../worker/platform-message.ts";
import type { ForwardedBuild } from "./forwarded-build.ts";

type MetaMessage = MessageInitShape<typeof ResolveSourceMetaResponseSchema>;

/** The value of `resolverType` for an OCI layout. */
const LAYOUT_RESOLVER = 1;

/** Returns the digest and the config of an image. */
export async function resolveImageConfig(
  { session }: ForwardedBuild,
  request: ResolveImageConfigRequest,
): Promise<MessageInitShape<typeof ResolveImageConfigResponseSchema>> {
  const isLayout = request.resolverType === LAYOUT_RESOLVER;
  const { digest, config } = await session.host.resolveImage({
    reference: request.ref,
    platform: platformOf(request.platform) ?? hostPlatform(),
    mode: request.resolveMode === "pull" || request.resolveMode === "local" ? request.resolveMode : "default",
    name: request.logName === "" ? `resolve image config for ${request.ref}` : request.logName,
    ...(isLayout ? { ociStore: request.storeId } : {}),
  });
  return { digest, config, ref: request.ref };
}

/** Returns what is known of a source before its files are fetched. */
export async function resolveSourceMeta(
  { session }: ForwardedBuild,
  { source, platform, resolveMode, logName, image, git, http }: ResolveSourceMetaRequest,
): Promise<MetaMessage> {
  if (source === undefined) throw new GrpcError(GrpcCode.unknown, "invalid nil source op");
  const { identifier, attrs } = source;
  const name = logName === "" ? `resolve image config for ${identifier}` : logName;
  const meta = await session.sourceMeta(name, {
    source: { kind: "source", identifier, attrs: new Map(Object.entries(attrs)) },
    platform: platformOf(platform),
    resolveMode: resolveMode === "" ? undefined : resolveMode,
    image: image && {
      noConfig: image.noConfig,
      attestationChain: image.attestationChain,
      resolveAttestations: image.resolveAttestations,
    },
    git: git && { returnObject: git.returnObject },
    http: http && { checksum: checksumOf(http) },
  });
  return metaMessage(meta);
}

type Checksum = NonNullable<NonNullable<Parameters<ForwardedBuild["session"]["sourceMeta"]>[1]["http"]>["checksum"]>;

function checksumOf({ checksumRequest: request }: ResolveSourceHTTPRequest): Checksum | undefined {
  if (request === undefined) return undefined;
  return { algorithm: ALGORITHMS.get(request.algo) ?? "sha256", suffix: request.suffix };
}

const ALGORITHMS: ReadonlyMap<number, Checksum["algorithm"]> = new Map([
  [Algorithm.SHA256, "sha256"],
  [Algorithm.SHA384, "sha384"],
  [Algorithm.SHA512, "sha512"],
]);

function metaMessage({ source, image, git, http }: SourceMeta): MetaMessage {
  return {
    source: { identifier: source.identifier, attrs: Object.fromEntries(source.attrs) },
    ...(image && { image: imageMessage(image) }),
    ...(git && { git: gitMessage(git) }),
    ...(http && {
      http: {
        checksum: http.checksum,
        filename: http.filename,
        ...(http.lastModified === undefined ? {} : { lastModified: timestampFromMs(http.lastModified) }),
        ...(http.checksumResponse && { checksumResponse: http.checksumResponse }),
      },
    }),
  };
}

function imageMessage({ digest, config, attestationChain: chain }: ImageMeta): NonNullable<MetaMessage["image"]> {
  return { digest, ...(config && { config }), ...(chain && { attestationChain: chainMessage(chain) }) };
}

type ChainMessage = NonNullable<NonNullable<MetaMessage["image"]>["attestationChain"]>;

function chainMessage(chain: NonNullable<ImageMeta["attestationChain"]>): ChainMessage {
  const { root, imageManifest, attestationManifest = "", signatureManifests, blobs } = chain;
  const messages = Array.from(blobs, ([digest, { descriptor, data }]) => {
    const { mediaType, size, annotations = {} } = descriptor;
    const message = { mediaType, digest: descriptor.digest, size: BigInt(size), annotations: { ...annotations } };
    return [digest, { descriptor: message, data }] as const;
  });
  return {
    root,
    imageManifest,
    attestationManifest,
    signatureManifests: [...signatureManifests],
    blobs: Object.fromEntries(messages),
  };
}

function gitMessage(git: NonNullable<SourceMeta["git"]>): NonNullable<MetaMessage["git"]> {
  const { ref, checksum, commitChecksum = "" } = git;
  if (!("commitObject" in git)) return { ref, checksum, commitChecksum };
  const { commitObject, tagObject = new Uint8Array() } = git;
  return { ref, checksum, commitChecksum, commitObject, tagObject };
}

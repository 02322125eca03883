import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ImageMeta, SourceMeta, SourceMetaRequest } from "../../../engine/index.ts";
import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import type { SourceOp } from "../../../llb/index.ts";
import {
  ChecksumRequest_ChecksumAlgo as Algorithm,
  type ResolveSourceHTTPRequest,
  type ResolveSourceMetaRequest,
  type ResolveSourceMetaResponseSchema,
} from "../proto/gen/gateway_pb.ts";
import type { SourceOp as SourceMessage } from "../proto/gen/ops_pb.ts";
import { platformOf } from "../worker/platform-message.ts";

export type MetaMessage = MessageInitShape<typeof ResolveSourceMetaResponseSchema>;

/** A question about a source, and the name that it has in progress. */
export interface NamedMetaRequest {
  readonly name: string;
  readonly request: SourceMetaRequest;
}

/** Reads a question about a source. Throws `unknown` without a source, and for an unknown algorithm of a checksum. */
export function metaRequestOf(message: ResolveSourceMetaRequest): NamedMetaRequest {
  const { platform, resolveMode, logName, image, git, http } = message;
  const source = sourceOf(message.source);
  return {
    name: logName === "" ? `resolve image config for ${source.identifier}` : logName,
    request: {
      source,
      platform: platformOf(platform),
      resolveMode: resolveMode === "" ? undefined : resolveMode,
      image: image && {
        noConfig: image.noConfig,
        attestationChain: image.attestationChain,
        resolveAttestations: image.resolveAttestations,
      },
      git: git && { returnObject: git.returnObject },
      http: http && { checksum: checksumOf(http) },
    },
  };
}

/** Reads a source. Throws `unknown` if there is none. */
export function sourceOf(message: SourceMessage | undefined): SourceOp {
  if (message === undefined) throw new GrpcError(GrpcCode.unknown, "invalid nil source op");
  return { kind: "source", identifier: message.identifier, attrs: new Map(Object.entries(message.attrs)) };
}

type Checksum = NonNullable<NonNullable<SourceMetaRequest["http"]>["checksum"]>;

function checksumOf({ checksumRequest: request }: ResolveSourceHTTPRequest): Checksum | undefined {
  if (request === undefined) return undefined;
  const { algo, suffix } = request;
  const algorithm = ALGORITHMS.get(algo);
  if (algorithm === undefined) throw new GrpcError(GrpcCode.unknown, `unsupported checksum algorithm ${algo}`);
  return { algorithm, suffix };
}

const ALGORITHMS: ReadonlyMap<number, Checksum["algorithm"]> = new Map([
  [Algorithm.SHA256, "sha256"],
  [Algorithm.SHA384, "sha384"],
  [Algorithm.SHA512, "sha512"],
]);

/** Converts what is known of a source to BuildKit's message. */
export function metaMessage({ source, image, git, http }: SourceMeta): MetaMessage {
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

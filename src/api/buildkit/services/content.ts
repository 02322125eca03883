import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { BlobInfo, ContentStore } from "../../../content/index.ts";
import { type Digest, isDigest, isVarveError } from "../../../core/index.ts";
import { GrpcCode, GrpcError, type Implementation, bidiStream, serverStream, unary } from "../../../grpc/index.ts";
import {
  Content,
  type InfoSchema,
  type ListContentResponseSchema,
  type ReadContentRequest,
  type ReadContentResponseSchema,
} from "../proto/gen/content_pb.ts";
import { parseSelectors } from "../../../pattern/index.ts";
import { served } from "../proto/methods.ts";

/** What the service reads. */
export type ReadableContent = Pick<ContentStore, "info" | "open" | "walk">;

/** Maximum blobs in one message of a listing. */
const LISTED = 100;

/** Returns containerd's content service over a store that it only reads. */
export function contentService(content: ReadableContent): Implementation[] {
  return [
    unary(served(Content.method.info), async ({ digest }) => {
      return await Promise.resolve({ info: infoMessage(infoOf(content, digest)) });
    }),
    serverStream(served(Content.method.list), ({ filters }) => list(content, filters)),
    serverStream(served(Content.method.read), (request, { signal }) => read(content, request, signal)),
    unary(served(Content.method.status), async ({ ref }) => {
      const message = `could not get status for ref ${JSON.stringify(ref)}: not found`;
      return await Promise.reject(new GrpcError(GrpcCode.notFound, message));
    }),
    unary(served(Content.method.listStatuses), async () => await Promise.resolve({})),
    unary(served(Content.method.update), readOnly),
    unary(served(Content.method.delete), readOnly),
    unary(served(Content.method.abort), readOnly),
    bidiStream(served(Content.method.write), readOnly),
  ];
}

async function readOnly(): Promise<never> {
  return await Promise.reject(new GrpcError(GrpcCode.unknown, "read-only content store"));
}

async function* list(
  content: ReadableContent,
  filters: readonly string[],
): AsyncGenerator<MessageInitShape<typeof ListContentResponseSchema>> {
  const matches = parseSelectors(filters);
  let page: BlobInfo[] = [];
  for (const blob of content.walk()) {
    if (!matches((path) => fieldOf(blob, path))) continue;
    page.push(blob);
    if (page.length < LISTED) continue;
    yield await Promise.resolve({ info: page.map(infoMessage) });
    page = [];
  }
  if (page.length > 0) yield { info: page.map(infoMessage) };
}

/** The fields of a blob that filters know. */
function fieldOf({ digest, labels }: BlobInfo, [name, ...label]: readonly string[]): string | undefined {
  switch (name) {
    case "digest":
      return digest;
    case "labels":
      return labels.get(label.join("."));
    default:
      return undefined;
  }
}

async function* read(
  content: ReadableContent,
  request: ReadContentRequest,
  signal: AbortSignal,
): AsyncGenerator<MessageInitShape<typeof ReadContentResponseSchema>> {
  const { digest, size } = infoOf(content, request.digest);
  const offset = Math.max(0, Number(request.offset));
  if (offset > size) throw new GrpcError(GrpcCode.outOfRange, `read past object length ${size} bytes`);
  const rest = size - offset;
  const length = request.size > 0n ? Math.min(Number(request.size), rest) : rest;
  if (length === 0) return;
  let at = offset;
  try {
    for await (const data of content.open(digest, { offset, length, signal })) {
      yield { offset: BigInt(at), data };
      at += data.length;
    }
  } catch (error) {
    throw isVarveError(error, "not-found") ? missing(digest) : error;
  }
}

function infoOf(content: ReadableContent, digest: string): BlobInfo {
  if (!isDigest(digest)) throw new GrpcError(GrpcCode.invalidArgument, `${JSON.stringify(digest)} failed validation`);
  const found = content.info(digest);
  if (found === undefined) throw missing(digest);
  return found;
}

function missing(digest: Digest): GrpcError {
  return new GrpcError(GrpcCode.notFound, `content digest ${digest}: not found`);
}

function infoMessage({ digest, size, createdAt, labels }: BlobInfo): MessageInitShape<typeof InfoSchema> {
  const time = timestampFromMs(createdAt);
  return { digest, size: BigInt(size), createdAt: time, updatedAt: time, labels: Object.fromEntries(labels) };
}

import { isDigest } from "../../../core/index.ts";
import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import type { WarnRequest } from "../proto/gen/gateway_pb.ts";
import type { Position, Range } from "../proto/gen/ops_pb.ts";
import type { ForwardedBuild } from "./forwarded-build.ts";

/** Passes a warning of a client on to everybody who watches the build. */
// oxlint-disable-next-line require-await -- rejects rather than throws
export async function warn(build: ForwardedBuild, request: WarnRequest): Promise<object> {
  const { session } = build;
  build.countWarning();
  const { digest, level, short, detail, url, info, ranges } = request;
  const positions = ranges.map(rangeOf);
  session.progress.warn(textOf(short), {
    vertex: isDigest(digest) ? digest : undefined,
    detail: detail.map(textOf),
    url: url === "" ? undefined : url,
    level: level === 0n ? undefined : Number(level),
    ...(info && { source: { name: info.filename, text: textOf(info.data), ranges: positions } }),
  });
  return {};
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

function rangeOf({ start, end }: Range): { start: ReturnType<typeof positionOf>; end: ReturnType<typeof positionOf> } {
  if (start === undefined || end === undefined) throw new GrpcError(GrpcCode.invalidArgument, "invalid source range");
  return { start: positionOf(start), end: positionOf(end) };
}

function positionOf({ line, character }: Position): { line: number; column: number } {
  return { line, column: character };
}

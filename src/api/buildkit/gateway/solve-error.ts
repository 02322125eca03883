import { fromBinary } from "@bufbuild/protobuf";
import { isVarveError } from "../../../core/index.ts";
import { type OpFailure, type Result, opFailureOf } from "../../../engine/index.ts";
import type { GrpcError } from "../../../grpc/index.ts";
import { type Edge, type Vertex, walkVertices } from "../../../llb/index.ts";
import { buildError } from "../errors/build-error.ts";
import { solveDetail } from "../errors/detail.ts";
import { withDetail } from "../errors/status.ts";
import { OpSchema } from "../proto/gen/ops_pb.ts";
import type { ForwardedBuild } from "./forwarded-build.ts";

type Subject =
  | { readonly case: "file" | "cache"; readonly value: { readonly index: bigint } }
  | { readonly case: undefined };

/**
 * Returns the error that a client gets of a graph that cannot be solved. Its outermost detail has the op that failed, and ids of what the
 * op read and wrote, which are filesystems of the build. The detail is empty if no op failed.
 */
export function solveError(error: unknown, { refs }: ForwardedBuild): GrpcError {
  const failure = opFailureOf(error);
  const ids = (results: readonly (Result | undefined)[] = []): string[] => results.map((each) => refs.addResult(each));
  const vertex = failedVertex(error, refs.edges);
  return withDetail(
    buildError(error, refs.sources),
    solveDetail({
      inputIDs: ids(failure?.inputs),
      mountIDs: ids(failure?.mounts),
      subject: subjectOf(failure),
      ...(vertex && {
        op: fromBinary(OpSchema, vertex.bytes),
        description: Object.fromEntries(vertex.metadata.description),
      }),
    }),
  );
}

function failedVertex(error: unknown, edges: readonly Edge[]): Vertex | undefined {
  const digest = isVarveError(error) ? error.details.vertex : undefined;
  if (digest === undefined) return undefined;
  return walkVertices(edges.map(({ vertex }) => vertex)).find((vertex) => vertex.digest === digest);
}

function subjectOf(failure: OpFailure | undefined): Subject {
  switch (failure?.subject.kind) {
    case "file":
    case "cache":
      return { case: failure.subject.kind, value: { index: BigInt(failure.subject.index) } };
    case "exec":
    case undefined:
      return { case: undefined };
  }
}

import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import type { Result, ReturnRequest } from "../proto/gen/gateway_pb.ts";
import type { FrontendResult, ResultRef } from "../result/result.ts";
import { NO_SOURCES } from "../result/sources.ts";
import { relayed } from "../errors/status.ts";
import type { ForwardedBuild } from "./forwarded-build.ts";
import type { GatewayRefs } from "./gateway-refs.ts";
import { attestationsOf } from "./return-attestations.ts";

/** Ends a build with the result or the error that its client returns. */
// oxlint-disable-next-line require-await -- rejects rather than throws
export async function returned(build: ForwardedBuild, { result, error }: ReturnRequest): Promise<object> {
  if ((result === undefined) === (error === undefined))
    throw new GrpcError(GrpcCode.unknown, "gateway return must be either result or err");
  if (error !== undefined) build.fail(relayed(error));
  else if (result !== undefined) build.return(resultOf(result, build.refs));
  return {};
}

function resultOf(returned: Result, refs: GatewayRefs): FrontendResult {
  const { result, metadata } = returned;
  const shared = { metadata: new Map(Object.entries(metadata)), attestations: attestationsOf(returned, refs) };
  switch (result.case) {
    case undefined:
      return { ...shared, refs: { kind: "single", ref: undefined } };
    case "ref":
      return { ...shared, refs: { kind: "single", ref: refs.returned(result.value.id) } };
    case "refDeprecated":
      return { ...shared, refs: { kind: "single", ref: refs.returned(result.value) } };
    case "refs":
      return {
        ...shared,
        refs: mapOf(
          Object.entries(result.value.refs).map(([key, { id }]) => [key, id]),
          refs,
        ),
      };
    case "refsDeprecated":
      return { ...shared, refs: mapOf(Object.entries(result.value.refs), refs) };
  }
}

const EMPTY: ResultRef = { edge: undefined, sources: NO_SOURCES };

/** Maximum number of filesystems in a result: one for each platform. */
const MAX_RESULTS = 1000;

function mapOf(ids: readonly (readonly [string, string])[], refs: GatewayRefs): FrontendResult["refs"] {
  if (ids.length > MAX_RESULTS)
    throw new GrpcError(GrpcCode.resourceExhausted, `a result has more than ${MAX_RESULTS} references`);
  return { kind: "map", refs: new Map(ids.map(([key, id]) => [key, refs.returned(id) ?? EMPTY])) };
}

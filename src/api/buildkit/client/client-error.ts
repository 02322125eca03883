import { type ErrorCode, VarveError } from "../../../core/index.ts";
import { GrpcCode, GrpcError } from "../../../grpc/index.ts";

const CODES: ReadonlyMap<GrpcCode, ErrorCode> = new Map([
  [GrpcCode.cancelled, "cancelled"],
  [GrpcCode.notFound, "not-found"],
]);

/** Returns the error of a call to a client as an error of the build, which another client may not cause. The text is the client's. */
export function clientError(error: unknown): unknown {
  if (!(error instanceof GrpcError)) return error;
  return new VarveError(CODES.get(error.code) ?? "remote", error.message, {
    details: { fromClient: true },
    cause: error,
  });
}

import { GrpcCode, GrpcError } from "../../../grpc/index.ts";

/** Returns BuildKit's error for a reference that no job has. */
export function noSuchJob(ref: string): GrpcError {
  return new GrpcError(GrpcCode.notFound, `no such job ${ref}`);
}

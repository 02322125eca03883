import { once } from "node:events";
import { GrpcCode, GrpcError, type Implementation, serverStream, unary } from "../../../grpc/index.ts";
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../proto/gen/health_pb.ts";
import { served } from "../proto/methods.ts";

/** Returns the health service of a server that serves as long as it runs. It knows the server as a whole only. */
export function healthService(): Implementation[] {
  return [
    unary(served(Health.method.check), async ({ service }) => {
      if (service !== "") throw new GrpcError(GrpcCode.notFound, "unknown service");
      return await Promise.resolve({ status: ServingStatus.SERVING });
    }),
    serverStream(served(Health.method.watch), async function* ({ service }, { signal, stopping }) {
      yield { status: service === "" ? ServingStatus.SERVING : ServingStatus.SERVICE_UNKNOWN };
      const end = AbortSignal.any([signal, stopping]);
      if (!end.aborted) await once(end, "abort");
    }),
  ];
}

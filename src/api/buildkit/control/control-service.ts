import { type Implementation, serverStream, unary } from "../../../grpc/index.ts";
import type { Daemon } from "../daemon.ts";
import { Control } from "../proto/gen/control_pb.ts";
import { served } from "../proto/methods.ts";
import { sessionMethod } from "../session/tunnel.ts";
import { workers } from "../worker/worker.ts";
import { buildkitVersion } from "../worker/version.ts";
import { buildRequestOf } from "./build-request.ts";
import { diskUsage, prune } from "./disk-usage.ts";
import { solve } from "./solve.ts";
import { statusOf } from "./status.ts";
import { timestampHeader } from "./timestamp-header.ts";

const { method } = Control;

/** Implements `moby.buildkit.v1.Control`, except for the history. */
export function controlService(daemon: Daemon): Implementation[] {
  return [
    unary(served(method.solve), async (request, { signal }) => ({
      exporterResponse: await solve(buildRequestOf(request), daemon, signal),
    })),
    serverStream(served(method.status), async function* status({ ref }, call) {
      call.sendHeaders(timestampHeader());
      yield* statusOf(ref, daemon, call.signal);
    }),
    sessionMethod(daemon.sessions),
    unary(served(method.info), () => Promise.resolve({ buildkitVersion: buildkitVersion() })),
    unary(served(method.listWorkers), async ({ filter }) => ({ record: await workers(daemon, filter) })),
    unary(served(method.diskUsage), async (request, { signal }) => ({
      record: await diskUsage(request, daemon, signal),
    })),
    serverStream(served(method.prune), (request, { signal }) => prune(request, daemon, signal)),
  ];
}

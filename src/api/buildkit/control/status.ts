import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Daemon } from "../daemon.ts";
import type { StatusResponseSchema } from "../proto/gen/control_pb.ts";
import { decodeStatus } from "../history/decode-status.ts";

type StatusMessage = MessageInitShape<typeof StatusResponseSchema>;

/**
 * Yields the status of a build from its start: of one that runs, of one in the history as it was stored, or of one that is about to run.
 *
 * @throws {GrpcError} `notFound` if there is no such build.
 */
export async function* statusOf(ref: string, daemon: Daemon, signal: AbortSignal): AsyncGenerator<StatusMessage> {
  const running = daemon.jobs.get(ref)?.status ?? daemon.history.runningStatus(ref);
  if (running !== undefined) {
    yield* running.read(signal);
    return;
  }
  const ended = daemon.history.get(ref);
  if (ended !== undefined) {
    // A build that was not stored whole is in the history without its output.
    if (ended.logs !== undefined) yield* decodeStatus(daemon.history.blobs.open(ended.logs.digest, { signal }));
    return;
  }
  const job = await daemon.jobs.find(ref, signal);
  yield* job.status.read(signal);
}

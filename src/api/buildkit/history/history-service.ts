import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Descriptor } from "../../../core/index.ts";
import { type Implementation, serverStream, unary } from "../../../grpc/index.ts";
import {
  type BuildHistory,
  type BuildRecord,
  type BuildResultBlobs,
  type HistoryEvent,
  checkRef,
} from "../../../history/index.ts";
import { timestampHeader } from "../control/timestamp-header.ts";
import type { Daemon } from "../daemon.ts";
import {
  type BuildHistoryEventSchema,
  BuildHistoryEventType,
  type BuildHistoryRecordSchema,
  type BuildResultInfoSchema,
  Control,
  type UpdateBuildHistoryRequest,
} from "../proto/gen/control_pb.ts";
import { served } from "../proto/methods.ts";

type EventMessage = MessageInitShape<typeof BuildHistoryEventSchema>;
type RecordMessage = MessageInitShape<typeof BuildHistoryRecordSchema>;
type ResultMessage = MessageInitShape<typeof BuildResultInfoSchema>;

/** Implements the methods of `moby.buildkit.v1.Control` about the history. */
export function historyService({ history }: Daemon): Implementation[] {
  return [
    serverStream(served(Control.method.listenBuildHistory), async function* listen(request, call) {
      call.sendHeaders(timestampHeader());
      const { ref, filter: filters, limit, activeOnly, earlyExit } = request;
      const signal = AbortSignal.any([call.signal, call.stopping]);
      const asked = { ref: ref === "" ? undefined : ref, filters, limit, activeOnly, earlyExit };
      try {
        for await (const event of history.listen(asked, signal)) yield eventMessage(event);
      } catch (error) {
        // A server that stops ends the stream as if there were no more events.
        if (!call.stopping.aborted || call.signal.aborted) throw error;
      }
    }),
    unary(served(Control.method.updateBuildHistory), (request) => Promise.resolve(update(history, request))),
  ];
}

function update(history: BuildHistory, request: UpdateBuildHistoryRequest): object {
  checkRef(request.ref);
  if (request.delete) history.delete(request.ref);
  else if (!request.finalize) history.pin(request.ref, request.pinned);
  return {};
}

function eventMessage(event: HistoryEvent): EventMessage {
  switch (event.kind) {
    case "started":
      return { type: BuildHistoryEventType.STARTED, record: recordMessage(event.record) };
    case "completed":
      return { type: BuildHistoryEventType.COMPLETE, record: recordMessage(event.record) };
    case "deleted":
      return { type: BuildHistoryEventType.DELETED, record: { ref: event.ref } };
  }
}

function recordMessage(record: BuildRecord): RecordMessage {
  const { steps, error, completedAt, results } = record;
  return {
    ref: record.ref,
    frontend: record.frontend,
    frontendAttrs: Object.fromEntries(record.attributes),
    exporters: record.exporters.map(({ type, attributes }) => ({ type, attrs: Object.fromEntries(attributes) })),
    ...(error && { error: { code: error.status, message: error.message } }),
    createdAt: timestampFromMs(record.createdAt),
    ...(completedAt === undefined ? {} : { completedAt: timestampFromMs(completedAt) }),
    ...(record.logs && { logs: descriptorMessage(record.logs) }),
    ...(record.trace && { trace: descriptorMessage(record.trace) }),
    exporterResponse: Object.fromEntries(record.metadata),
    ...(record.result && { result: resultMessage(record.result) }),
    results: Object.fromEntries(Array.from(results, ([platform, blobs]) => [platform, resultMessage(blobs)])),
    generation: record.generation,
    pinned: record.isPinned,
    numCachedSteps: steps.cached,
    numTotalSteps: steps.total,
    numCompletedSteps: steps.completed,
    ...(record.externalError && { externalError: descriptorMessage(record.externalError) }),
    numWarnings: record.warnings,
  };
}

function resultMessage({ attestations, exports }: BuildResultBlobs): ResultMessage {
  const [first] = exports.values();
  return {
    ...(first && { resultDeprecated: descriptorMessage(first) }),
    attestations: attestations.map(descriptorMessage),
    results: Object.fromEntries(Array.from(exports, ([index, descriptor]) => [index, descriptorMessage(descriptor)])),
  };
}

function descriptorMessage({
  mediaType,
  digest,
  size,
  annotations = {},
}: Descriptor): NonNullable<RecordMessage["logs"]> {
  return { mediaType, digest, size: BigInt(size), annotations: { ...annotations } };
}

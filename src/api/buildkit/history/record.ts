import { isVarveError } from "../../../core/index.ts";
import type { ExportReport } from "../../../engine/index.ts";
import { type GrpcError, GrpcCode } from "../../../grpc/index.ts";
import {
  type ActiveBuild,
  type BuildHistory,
  type BuildOutcome,
  type ExportedBlobs,
  type StatusLog,
  imageDocuments,
  statusOutcome,
} from "../../../history/index.ts";
import type { ContentStore } from "../../../content/index.ts";
import type { RecordedProvenance } from "../control/attesting.ts";
import type { BuildRequest } from "../control/build-request.ts";
import type { FrontendResult } from "../result/result.ts";
import { StatusSchema } from "../proto/gen/status_pb.ts";
import { stackDetail } from "../errors/detail.ts";
import { statusMessage, statusOf } from "../errors/status.ts";
import { toBinary } from "@bufbuild/protobuf";

/** The media type of an error with its details. The name is BuildKit's. */
const ERROR_TYPE = "application/vnd.googeapis.google.rpc.status+proto";

/** Starts the record of a build; undefined if the client wants none. */
export function startRecord(history: BuildHistory, request: BuildRequest): ActiveBuild | undefined {
  if (request.internal) return undefined;
  const { ref, subject, attributes, exporters } = request;
  return history.start({
    ref,
    frontend: subject.kind === "frontend" ? subject.name : "",
    attributes,
    exporters: exporters.map(({ type, attrs }) => ({ type, attributes: new Map(Object.entries(attrs)) })),
  });
}

/** What became of a build. */
export interface RecordedBuild {
  readonly status: StatusLog;
  readonly result: FrontendResult | undefined;
  readonly exported: ExportReport | undefined;
  readonly provenance: RecordedProvenance | undefined;
  readonly error: GrpcError | undefined;
}

/** Stores the record of a build that has ended, with its output. The status must be closed. */
export async function completeRecord(
  record: ActiveBuild,
  { status, result, exported, provenance, error }: RecordedBuild,
  content: ContentStore,
): Promise<void> {
  const outcome: BuildOutcome = {
    ...(await statusOutcome(status, record.record)),
    metadata: textsOf(result),
    ...(error === undefined ? await resultsOf(exported, provenance, content) : failureOf(error)),
  };
  await record.complete(outcome);
}

function textsOf(result: FrontendResult | undefined): Map<string, string> {
  return new Map(Array.from(result?.metadata ?? [], ([key, value]) => [key, Buffer.from(value).toString()]));
}

function failureOf(error: GrpcError): Pick<BuildOutcome, "error" | "externalError"> {
  const status = statusOf(error);
  const stack = stackDetail((error.cause instanceof Error ? error.cause : error).stack ?? "");
  const data = toBinary(StatusSchema, statusMessage({ ...status, details: [stack, ...status.details] }));
  return {
    error: { message: error.message, status: error.code === GrpcCode.ok ? GrpcCode.unknown : error.code },
    externalError: { mediaType: ERROR_TYPE, data },
  };
}

/** Returns the provenance of the results, and the image that was exported with copies of its documents. */
async function resultsOf(
  exported: ExportReport | undefined,
  provenance: RecordedProvenance | undefined,
  content: ContentStore,
): Promise<Pick<BuildOutcome, "result" | "results">> {
  const exports = new Map<number, ExportedBlobs>();
  for (const [index, descriptor] of exported?.descriptors ?? []) {
    try {
      exports.set(index, { descriptor, documents: await imageDocuments(content, descriptor) });
    } catch (error) {
      // A blob that was lost meanwhile must not fail a build that has succeeded.
      if (isVarveError(error, "cancelled")) throw error;
    }
  }
  const { single, platforms: results } = provenance ?? {};
  return { result: { exports, attestations: single && [single] }, results };
}

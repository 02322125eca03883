import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type ErrorCode, VarveError, messageOf } from "../../../core/index.ts";
import { GrpcCode, GrpcError, grpcCode, toGrpcError } from "../../../grpc/index.ts";
import { type Status, StatusSchema } from "../proto/gen/status_pb.ts";
import {
  type Detail,
  decisionDetail,
  exitDetail,
  isSourceDetail,
  kindOf,
  materialsDetail,
  vertexDetail,
} from "./detail.ts";

/**
 * Codes of errors that clients tell apart. All others are `unknown`: a client prints the name of any other code before the message,
 * and messages are compared.
 */
const CODES: ReadonlyMap<ErrorCode, GrpcCode> = new Map([["cancelled", GrpcCode.cancelled]]);

/** The action of a client that refuses a source. */
const DENY = 1;

/** Returns what was thrown as an error of gRPC, with the details that are known of it. */
export function statusError(thrown: unknown): GrpcError {
  if (!(thrown instanceof VarveError)) return toGrpcError(thrown);
  const code = CODES.get(thrown.code) ?? GrpcCode.unknown;
  if (code === GrpcCode.cancelled) return new GrpcError(code, "context canceled", { cause: thrown });
  const { vertex, exitCode, policy, missingMaterials: missing } = thrown.details;
  const details = [
    ...(policy === undefined || policy.denyMessages.length === 0 ? [] : [decisionDetail(DENY, policy.denyMessages)]),
    ...(missing === undefined ? [] : [materialsDetail(missing)]),
    ...(vertex === undefined ? [] : [vertexDetail(vertex)]),
    ...(exitCode === undefined || thrown.code !== "step-failed" ? [] : [exitDetail(exitCode)]),
  ];
  return errorOf({ code, message: thrown.message, details }, thrown);
}

/** An error as it is transported. Details are in BuildKit's order: unknown ones, stacks, then wrappers from the outermost inward. */
export interface ErrorStatus {
  readonly code: GrpcCode;
  readonly message: string;
  readonly details: readonly Detail[];
}

/** Returns the status of an error. Details that cannot be read are left out. */
export function statusOf(error: GrpcError): ErrorStatus {
  const { code, message, details } = error;
  if (details === undefined) return { code, message, details: [] };
  try {
    return { code, message, details: detailsOf(fromBinary(StatusSchema, details)) };
  } catch {
    return { code, message, details: [] };
  }
}

function detailsOf(status: Status): Detail[] {
  return status.details.map(({ typeUrl, value }) => ({ typeUrl, value }));
}

export function errorOf(status: ErrorStatus, cause?: unknown): GrpcError {
  const { code, message, details } = status;
  const encoded = details.length === 0 ? undefined : toBinary(StatusSchema, statusMessage(status));
  return new GrpcError(code, message, { details: encoded, cause });
}

/** Returns a status as the message that other messages contain. */
export function statusMessage({ code, message, details }: ErrorStatus): Status {
  return create(StatusSchema, { code, message, details: details.map((each) => ({ ...each })) });
}

/** Wraps an error in a detail, which becomes the outermost one. `message` replaces its text. */
export function withDetail(thrown: unknown, detail: Detail, message?: string): GrpcError {
  const error = statusError(thrown);
  const status = statusOf(error);
  const at = status.details.findIndex((each) => kindOf(each) === "wrapper");
  const details = status.details.toSpliced(at < 0 ? status.details.length : at, 0, detail);
  return errorOf({ ...status, message: message ?? status.message, details }, thrown);
}

/** Returns an error with another text. */
export function withMessage(thrown: unknown, message: string): GrpcError {
  return errorOf({ ...statusOf(statusError(thrown)), message }, thrown);
}

/** Returns true if an error has a position in a file. */
export function isPositioned(thrown: unknown): boolean {
  return statusOf(statusError(thrown)).details.some(isSourceDetail);
}

/**
 * Returns an error that a peer sent, as BuildKit sends it on: unknown details first, then stacks, then the wrappers in reverse. Whoever
 * decodes a status puts the first wrapper innermost.
 */
export function relayed({ code, message, details }: Pick<Status, "code" | "message" | "details">): GrpcError {
  const kinds = details.map(({ typeUrl, value }) => ({ kind: kindOf({ typeUrl, value }), detail: { typeUrl, value } }));
  const of = (kind: string): Detail[] => kinds.filter((each) => each.kind === kind).map(({ detail }) => detail);
  const ordered = [...of("unknown"), ...of("stack"), ...of("wrapper").reverse()];
  return errorOf({ code: code === 0 ? GrpcCode.unknown : grpcCode(code), message, details: ordered });
}

const NAMES: readonly string[] = [
  "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
];

/** Returns an error's text as BuildKit quotes it in another one: with the name of its code, unless that says nothing. */
export function quotedText(error: unknown): string {
  if (!(error instanceof GrpcError) || error.code === GrpcCode.unknown) return messageOf(error);
  return `${NAMES[error.code] ?? "Unknown"}: ${error.message}`;
}

import type { HttpResponse } from "../http/index.ts";
import { type ErrorCode, VarveError, toVarveError } from "../../core/index.ts";
import { json } from "./respond.ts";

const STATUS: Readonly<Record<ErrorCode, number>> = {
  "invalid-argument": 400,
  "invalid-build": 400,
  "not-found": 404,
  "already-exists": 409,
  busy: 409,
  unauthorized: 401,
  unsupported: 501,
  "limit-exceeded": 413,
  cancelled: 503,
  remote: 500,
  corrupt: 500,
  storage: 500,
  "step-failed": 500,
  internal: 500,
};

const CODE: Readonly<Record<number, ErrorCode>> = {
  400: "invalid-argument",
  401: "unauthorized",
  403: "unauthorized",
  404: "not-found",
  409: "busy",
  501: "unsupported",
};

/** An error for which the Docker daemon has its own status and words, which clients look at. */
export function apiError(status: number, message: string, cause?: unknown): VarveError {
  return new VarveError(CODE[status] ?? "internal", message, { details: { apiStatus: status }, cause });
}

/** The HTTP status of an error. */
function statusOf(error: VarveError): number {
  const { apiStatus } = error.details;
  return typeof apiStatus === "number" ? apiStatus : STATUS[error.code];
}

/** What is told of an error: its message, and what to do about it where that is known. */
export function responseMessage(error: VarveError): string {
  const text = error.message === "" ? "Cannot go on" : error.message;
  return error.hint === undefined ? text : `${text} (${error.hint})`;
}

/** The envelope every failed request gets. */
export function errorResponse(thrown: unknown): HttpResponse {
  const error = toVarveError(thrown, "answer the request");
  return json(statusOf(error), { message: responseMessage(error) });
}

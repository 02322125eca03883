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

/** Returns an error with the status and message of the Docker daemon, because clients parse them. */
export function apiError(status: number, message: string, cause?: unknown): VarveError {
  return new VarveError(CODE[status] ?? "internal", message, { details: { apiStatus: status }, cause });
}

/** Returns the HTTP status of an error. */
function statusOf(error: VarveError): number {
  const { apiStatus } = error.details;
  return typeof apiStatus === "number" ? apiStatus : STATUS[error.code];
}

/** Returns the message of an error for clients, with its hint if it has one. */
export function responseMessage(error: VarveError): string {
  const text = error.message === "" ? "Cannot go on" : error.message;
  return error.hint === undefined ? text : `${text} (${error.hint})`;
}

/** Returns the response to a request that failed: a status, and a JSON object with the message. */
export function errorResponse(thrown: unknown): HttpResponse {
  const error = toVarveError(thrown, "answer the request");
  return json(statusOf(error), { message: responseMessage(error) });
}

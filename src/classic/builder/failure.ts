import { type ErrorCode, VarveError } from "../../core/index.ts";

const CODES: Readonly<Record<number, ErrorCode>> = { 400: "invalid-build", 404: "not-found", 401: "unauthorized" };

/**
 * Returns an error with the daemon's message. `details.apiStatus` is the HTTP status of the daemon's response if the error comes
 * before the first message.
 */
export function failure(status: 400 | 401 | 403 | 404 | 500, message: string, cause?: unknown): VarveError {
  return new VarveError(CODES[status] ?? "internal", message, { details: { apiStatus: status }, cause });
}

/** Returns the error of a step that cannot be executed as written. */
export function stepError(message: string, cause?: unknown): VarveError {
  return new VarveError("invalid-build", message, { cause });
}

/** Returns the error with `doing` as a prefix of its message. */
export function wrapped(error: unknown, doing: string): unknown {
  if (!(error instanceof VarveError) || error.code === "cancelled") return error;
  const { code, details, hint } = error;
  return new VarveError(code, `${doing}: ${error.message}`, {
    details,
    hint,
    cause: error,
  });
}

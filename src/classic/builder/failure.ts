import { type ErrorCode, VarveError } from "../../core/index.ts";

const CODES: Readonly<Record<number, ErrorCode>> = { 400: "invalid-build", 404: "not-found", 401: "unauthorized" };

/**
 * A failure in the daemon's words, with the HTTP status that it has there where it comes before the first message
 * (`details.apiStatus`).
 */
export function failure(status: 400 | 401 | 403 | 404 | 500, message: string, cause?: unknown): VarveError {
  return new VarveError(CODES[status] ?? "internal", message, { details: { apiStatus: status }, cause });
}

/** A step that cannot be done as it is written. */
export function stepError(message: string, cause?: unknown): VarveError {
  return new VarveError("invalid-build", message, { cause });
}

/** The failure of something on the way, with what was being done before its text. */
export function wrapped(error: unknown, doing: string): unknown {
  if (!(error instanceof VarveError) || error.code === "cancelled") return error;
  const { code, details, hint } = error;
  return new VarveError(code, `${doing}: ${error.message}`, {
    details,
    hint,
    cause: error,
  });
}

export function needsBuildKit(option: string): VarveError {
  return stepError(
    `the --${option} option requires BuildKit. Refer to https://docs.docker.com/go/buildkit/ to learn how to build images with BuildKit enabled`,
  );
}

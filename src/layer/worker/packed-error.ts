import { errnoOf, type ErrorCode, VarveError } from "../../core/index.ts";

/** An error as a plain value that can be sent to another thread. */
export type PackedError =
  | {
      readonly kind: "varve";
      readonly code: ErrorCode;
      readonly message: string;
      readonly details: Readonly<Record<string, unknown>>;
      readonly hint: string | undefined;
      readonly cause: PackedError | undefined;
    }
  | {
      readonly kind: "other";
      readonly name: string;
      readonly message: string;
      readonly stack: string | undefined;
      /** The code of a system error, such as ENOENT. */
      readonly code: string | undefined;
      readonly cause: PackedError | undefined;
    };

/** Converts an error to a plain value. */
export function packError(error: unknown): PackedError {
  if (error instanceof VarveError) {
    const { code, message, details, hint } = error;
    return { kind: "varve", code, message, details, hint, cause: packCause(error) };
  }
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  return { kind: "other", name, message, stack, code: errnoOf(error), cause: packCause(error) };
}

function packCause(error: unknown): PackedError | undefined {
  return error instanceof Error && error.cause !== undefined ? packError(error.cause) : undefined;
}

/** Restores a `VarveError`. Restores any other error as an `Error` with the same name, message, stack, code and cause. */
export function unpackError(packed: PackedError): Error {
  const cause = packed.cause === undefined ? undefined : unpackError(packed.cause);
  if (packed.kind === "varve") {
    const { code, message, details, hint } = packed;
    return new VarveError(code, message, { details, cause, hint });
  }
  const { name, message, stack, code } = packed;
  const error = cause === undefined ? new Error(message) : new Error(message, { cause });
  return Object.assign(error, { name, stack }, code === undefined ? {} : { code });
}

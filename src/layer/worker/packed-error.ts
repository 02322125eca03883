import { errnoOf, type ErrorCode, VarveError } from "../../core/index.ts";

/** An error as a plain value that can go from one thread to another. */
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
      /** Of a system error. */
      readonly code: string | undefined;
      readonly cause: PackedError | undefined;
    };

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

/** A `VarveError` as it was; any other as an `Error` of the same name, message, stack and code. */
export function unpackError(packed: PackedError): Error {
  const cause = packed.cause === undefined ? {} : { cause: unpackError(packed.cause) };
  if (packed.kind === "varve") {
    const { code, message, details, hint } = packed;
    return new VarveError(code, message, { details, ...cause, ...(hint === undefined ? {} : { hint }) });
  }
  const { name, message, stack, code } = packed;
  return Object.assign(new Error(message, cause), { name, stack }, code === undefined ? {} : { code });
}

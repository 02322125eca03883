import { VarveError, isVarveError, messageOf, redact } from "../core/index.ts";
import { GrpcCode } from "./code.ts";

export interface GrpcErrorOptions {
  /** The serialised `google.rpc.Status`. Without it, code and message are all there is. */
  readonly details?: Uint8Array | undefined;
  readonly cause?: unknown;
}

/**
 * A call that failed, as gRPC transports it. Its message is the peer's text, word for word, because clients compare it; only
 * credentials are removed from it.
 */
export class GrpcError extends Error {
  override readonly name = "GrpcError";
  readonly code: GrpcCode;
  readonly details: Uint8Array | undefined;

  constructor(code: GrpcCode, message: string, { details, cause }: GrpcErrorOptions = {}) {
    super(redact(message), cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
  }
}

/** True if `error` is a `GrpcError`, and one of the given codes if any are given. */
export function isGrpcError(error: unknown, ...codes: readonly GrpcCode[]): error is GrpcError {
  return error instanceof GrpcError && (codes.length === 0 || codes.includes(error.code));
}

/** Converts whatever a handler threw: a `GrpcError` is returned as it is, a cancellation becomes `cancelled`, all else `unknown`. */
export function toGrpcError(thrown: unknown): GrpcError {
  if (thrown instanceof GrpcError) return thrown;
  const cancelled = isVarveError(thrown, "cancelled") || (thrown instanceof Error && thrown.name === "AbortError");
  return new GrpcError(cancelled ? GrpcCode.cancelled : GrpcCode.unknown, messageOf(thrown), { cause: thrown });
}

/** Returns the error of a call whose signal is aborted: the signal's reason if it is an error of ours. */
export function abortError({ reason }: AbortSignal): GrpcError | VarveError {
  if (reason instanceof GrpcError || reason instanceof VarveError) return reason;
  if (reason instanceof Error && reason.name === "TimeoutError")
    return new GrpcError(GrpcCode.deadlineExceeded, "context deadline exceeded", { cause: reason });
  return new GrpcError(GrpcCode.cancelled, "context canceled", { cause: reason });
}

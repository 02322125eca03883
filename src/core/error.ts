import type { ErrorCode } from "./error-code.ts";
import type { ErrorDetails } from "./error-details.ts";
import { machineError } from "./machine-errors.ts";
import { redact, redactAll } from "./redact.ts";

export interface VarveErrorOptions<C extends ErrorCode = ErrorCode> {
  readonly details?: ErrorDetails<C> | undefined;
  /** One sentence that tells the user what to do. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/**
 * Every failure that a caller can act on. Messages read "Cannot <do> <thing>: <state>".
 *
 * Message, hint, details and cause contain no credentials: what `redact` knows is removed from all of them.
 *
 * @example
 * try {
 *   await build(options);
 * } catch (error) {
 *   if (!isVarveError(error, "step-failed")) throw error;
 *   console.error(`exit code ${error.details.exitCode}`);
 * }
 */
export class VarveError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = "VarveError";
  readonly code: C;
  readonly details: ErrorDetails<C>;
  readonly hint: string | undefined;

  constructor(code: C, message: string, options: VarveErrorOptions<C> = {}) {
    super(redact(message), options.cause === undefined ? undefined : { cause: withoutSecrets(options.cause) });
    this.code = code;
    this.details = redactAll(options.details ?? {});
    this.hint = options.hint === undefined ? undefined : redact(options.hint);
  }
}

function withoutSecrets(cause: unknown): unknown {
  return cause instanceof VarveError ? cause : redactAll(cause);
}

/** True if `error` is a `VarveError`, and one of the given codes if any are given. */
export function isVarveError<C extends ErrorCode = ErrorCode>(
  error: unknown,
  ...codes: readonly C[]
): error is VarveError<C> {
  return error instanceof VarveError && (codes.length === 0 || codes.some((code) => code === error.code));
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a Node system error ("ENOENT" and the like), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  // Node's rmSync reports this error by its text only, with an empty code.
  if (error.code === "" && error instanceof Error && error.message.includes("Too many open files")) return "EMFILE";
  return typeof error.code === "string" ? error.code : undefined;
}

/** The error that came first: a `SuppressedError` holds it when a disposal failed afterwards. */
export function firstFailure(error: unknown): unknown {
  return error instanceof SuppressedError ? firstFailure(error.suppressed) : error;
}

/**
 * Converts whatever was thrown into a `VarveError`. A `VarveError` is returned as it is. An abort becomes `cancelled`, a full or
 * read-only disk `storage`, a lack of file descriptors or memory `unsupported`, anything else `fallback`. If clean-up failed too, the
 * first failure counts.
 *
 * @param doing - Completes "Cannot …" in the message.
 */
export function toVarveError(thrown: unknown, doing: string, fallback: ErrorCode = "internal"): VarveError {
  const error = firstFailure(thrown);
  if (error instanceof VarveError) return error;
  const message = messageOf(error);
  if (error instanceof Error && error.name === "AbortError") {
    return error.cause instanceof VarveError
      ? error.cause
      : new VarveError("cancelled", `Cannot ${doing}: cancelled`, { cause: error });
  }
  const errno = errnoOf(error);
  const { code = fallback, hint } = machineError(errno) ?? {};
  const details = errno === undefined ? {} : { details: { errno } };
  return new VarveError(code, `Cannot ${doing}: ${message}`, {
    cause: error,
    ...details,
    hint,
  });
}

/**
 * Throws if the signal is aborted.
 *
 * @throws {VarveError} The signal's reason if it is a `VarveError`, else `cancelled`.
 */
export function throwIfAborted(signal: AbortSignal | undefined, doing = "continue"): void {
  if (signal?.aborted !== true) return;
  if (signal.reason instanceof VarveError) throw signal.reason;
  throw new VarveError("cancelled", `Cannot ${doing}: cancelled`, { cause: signal.reason });
}

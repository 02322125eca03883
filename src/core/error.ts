import { machineError } from "./machine-errors.ts";
import { redact, redactAll } from "./redact.ts";

/**
 * The one error class of the house.
 *
 * Every failure a caller can act on is a `VarveError` with a code from a closed set. Three tables at the edges (exit code,
 * HTTP status, gRPC status) turn a code into what a client of that edge expects. Messages read "Cannot <do> <thing>: <state>".
 */
export const ERROR_CODES = [
  /** The caller's arguments are malformed: a bad flag, reference, platform or attribute. */
  "invalid-argument",
  /** The Dockerfile, the ignore file or the build context is wrong. `details.location` says where. */
  "invalid-build",
  /** A step of the build ended with a non-zero status or by a signal. */
  "step-failed",
  /** The named thing does not exist. */
  "not-found",
  /** The named thing exists and must not. */
  "already-exists",
  /** Bytes do not have the digest or the size that was promised, or an archive or document is malformed. */
  "corrupt",
  /** Something from outside is larger, deeper or longer than its limit. */
  "limit-exceeded",
  /** A registry, cache source or other remote refused or could not be reached. `details.status` holds an HTTP status. */
  "remote",
  /** Credentials are missing, wrong or not sufficient. */
  "unauthorized",
  /** The machine lacks something: a runtime, a kernel feature, a privilege. */
  "unsupported",
  /** The disk is full or read-only, or does not hold any more what was written to it. */
  "storage",
  /** The thing is in use, or another process holds its lock. */
  "busy",
  /** The caller's signal was aborted. */
  "cancelled",
  /** A bug in Varve. */
  "internal",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export interface VarveErrorOptions {
  /** Facts a program can use: locations, digests, statuses. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  /** One sentence that says what the reader can do about it. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** The message, the hint, the details and the cause hold no credentials: what `redact` knows is taken out of all of them. */
export class VarveError extends Error {
  override readonly name = "VarveError";
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: VarveErrorOptions = {}) {
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
export function isVarveError(error: unknown, ...codes: readonly ErrorCode[]): error is VarveError {
  return error instanceof VarveError && (codes.length === 0 || codes.includes(error.code));
}

/** The `code` of a Node system error ("ENOENT" and the like), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  // Node's rmSync knows the text of this error, and no code for it.
  if (error.code === "" && error instanceof Error && error.message.includes("Too many open files")) return "EMFILE";
  return typeof error.code === "string" ? error.code : undefined;
}

/** What failed first, if the disposal of something failed because of it or after it. */
export function firstFailure(error: unknown): unknown {
  return error instanceof SuppressedError ? firstFailure(error.suppressed) : error;
}

/**
 * Turns whatever was thrown into a `VarveError`: itself if it is one, `cancelled` for an abort, `storage` for a full or
 * read-only disk, `unsupported` for want of open files or memory, and `fallback` for the rest; where cleaning up failed as well, what failed first counts. `doing` completes
 * "Cannot …".
 */
export function toVarveError(thrown: unknown, doing: string, fallback: ErrorCode = "internal"): VarveError {
  const error = firstFailure(thrown);
  if (error instanceof VarveError) return error;
  const message = error instanceof Error ? error.message : String(error);
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
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Throws `cancelled` if the signal is aborted; a `VarveError` given as the reason is thrown as it is. */
export function throwIfAborted(signal: AbortSignal | undefined, doing = "continue"): void {
  if (signal?.aborted !== true) return;
  if (signal.reason instanceof VarveError) throw signal.reason;
  throw new VarveError("cancelled", `Cannot ${doing}: cancelled`, { cause: signal.reason });
}

import { inspect } from "node:util";
import { type ErrorCode, isVarveError, redact } from "../core/index.ts";
import { printable } from "./printable.ts";

/** Exit codes of the command. */
export const ExitCode = {
  done: 0,
  stepFailed: 1,
  usage: 2,
  build: 3,
  remote: 4,
  machine: 5,
  internal: 6,
  interrupted: 130,
} as const;

const BY_CODE: Readonly<Record<ErrorCode, number>> = {
  "invalid-argument": ExitCode.usage,
  "invalid-build": ExitCode.build,
  "step-failed": ExitCode.stepFailed,
  "not-found": ExitCode.build,
  "already-exists": ExitCode.usage,
  corrupt: ExitCode.remote,
  "limit-exceeded": ExitCode.build,
  remote: ExitCode.remote,
  unauthorized: ExitCode.remote,
  unsupported: ExitCode.machine,
  storage: ExitCode.machine,
  busy: ExitCode.machine,
  cancelled: ExitCode.interrupted,
  internal: ExitCode.internal,
};

export function exitCodeOf(error: unknown): number {
  return isVarveError(error) ? BY_CODE[error.code] : ExitCode.internal;
}

/**
 * Returns the text that a terminal shows for an error: its place in the Dockerfile, its message, its hint, and for a bug its
 * stack. With `detail`, always adds the stack and the causes.
 */
export function describeError(
  error: unknown,
  { detail = false }: { readonly detail?: boolean | undefined } = {},
): string {
  if (!isVarveError(error)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `ERROR: ${printable(redact(text))}\nThis is a bug in varve.`;
  }
  const { snippet } = error.details;
  const lines = [...(typeof snippet === "string" ? [snippet] : []), `ERROR: ${error.message}`];
  if (error.hint !== undefined) lines.push(`hint: ${error.hint}`);
  if (detail) lines.push(inspect(error));
  else if (error.code === "internal" && error.stack !== undefined) lines.push(error.stack);
  return printable(lines.join("\n"));
}

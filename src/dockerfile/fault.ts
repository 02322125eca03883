import { VarveError } from "../core/index.ts";
import { type SourceFile, type SourceRange, snippet } from "./source.ts";

/**
 * An error in a Dockerfile whose place is not known yet: whoever knows it adds it with `atRange`. `near` is the text that is
 * wrong, where it stands in the file as it is.
 */
export function fault(message: string, near?: string): VarveError {
  return new VarveError("invalid-build", message, near === undefined ? {} : { details: { near } });
}

/** What `fault` was told is wrong. */
export function nearOf(error: unknown): string | undefined {
  const near = error instanceof VarveError ? error.details["near"] : undefined;
  return typeof near === "string" && near !== "" ? near : undefined;
}

function isLocated(error: VarveError): boolean {
  return error.details["location"] !== undefined;
}

/**
 * `error` as `invalid-build` with `details.location` (file, line, column, endLine, endColumn), and a message that ends in the
 * offending lines with a caret under the place. An error that has a place already keeps it; other codes are passed on.
 */
export function atRange(error: unknown, file: SourceFile, range: SourceRange, prefix = ""): unknown {
  if (!(error instanceof VarveError) || error.code !== "invalid-build" || isLocated(error)) return error;
  const location = {
    file: file.name,
    line: range.start.line,
    column: range.start.column,
    endLine: range.end.line,
    endColumn: range.end.column,
  };
  return new VarveError("invalid-build", `${prefix}${error.message}\n${snippet(file, range)}`, {
    details: { ...error.details, reason: error.message, location },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: error,
  });
}

/** Runs `read`, and says where it failed if it does. */
export function located<T>(file: SourceFile, range: SourceRange, prefix: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw atRange(error, file, range, prefix);
  }
}

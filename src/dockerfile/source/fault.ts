import { VarveError, isVarveError } from "../../core/index.ts";
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
  const near = isVarveError(error) ? error.details.near : undefined;
  return typeof near === "string" && near !== "" ? near : undefined;
}

/** True for an error that says where in a Dockerfile it comes from. */
export function hasPlace(error: VarveError): boolean {
  return error.details.location !== undefined;
}

/**
 * `error` with its place: `details.location` (file, line, column, endLine, endColumn), and `details.snippet`, the lines
 * themselves as `snippet` shows them. Its message stays one line.
 */
export function withPlace(error: VarveError, file: SourceFile, range: SourceRange, prefix = ""): VarveError {
  const location = {
    file: file.name,
    line: range.start.line,
    column: range.start.column,
    endLine: range.end.line,
    endColumn: range.end.column,
  };
  return new VarveError(error.code, prefix + error.message, {
    details: { ...error.details, location, snippet: snippet(file, range) },
    hint: error.hint,
    cause: error,
  });
}

/** As `withPlace`, for what was read wrong: `invalid-build` that has no place yet. Anything else is passed on. */
export function atRange(error: unknown, file: SourceFile, range: SourceRange, prefix = ""): unknown {
  if (!isVarveError(error) || error.code !== "invalid-build" || hasPlace(error)) return error;
  return withPlace(error, file, range, prefix);
}

/** Runs `read`, and says where it failed if it does. */
export function located<T>(file: SourceFile, range: SourceRange, prefix: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw atRange(error, file, range, prefix);
  }
}

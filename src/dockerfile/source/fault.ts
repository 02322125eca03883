import { VarveError, isVarveError } from "../../core/index.ts";
import { type SourceFile, type SourceRange, snippet } from "./source.ts";

/**
 * Returns an `invalid-build` error without a location. The caller that knows the location adds it with `atRange`. `near` is the
 * wrong text, if the Dockerfile contains it literally.
 */
export function fault(message: string, near?: string): VarveError {
  return new VarveError("invalid-build", message, near === undefined ? {} : { details: { near } });
}

/** Returns the wrong text that `fault` was called with. */
export function nearOf(error: unknown): string | undefined {
  const near = isVarveError(error) ? error.details.near : undefined;
  return typeof near === "string" && near !== "" ? near : undefined;
}

/** Returns whether an error has a location in a Dockerfile. */
export function hasLocation(error: VarveError): boolean {
  return error.details.location !== undefined;
}

/**
 * Returns an error with a location added: `details.location` (file, line, column, endLine, endColumn), and `details.snippet`, the
 * lines themselves (see `snippet`), and `details.sourceText`, the whole file. The message gets the prefix.
 */
export function locatedError(error: VarveError, file: SourceFile, range: SourceRange, prefix = ""): VarveError {
  const location = {
    file: file.name,
    line: range.start.line,
    column: range.start.column,
    endLine: range.end.line,
    endColumn: range.end.column,
  };
  return new VarveError(error.code, prefix + error.message, {
    details: { ...error.details, location, snippet: snippet(file, range), sourceText: file.text },
    hint: error.hint,
    cause: error,
  });
}

/** Like `locatedError`, but only for `invalid-build` errors without a location. Returns any other error unchanged. */
export function atRange(error: unknown, file: SourceFile, range: SourceRange, prefix = ""): unknown {
  if (!isVarveError(error) || error.code !== "invalid-build" || hasLocation(error)) return error;
  return locatedError(error, file, range, prefix);
}

/** Runs `read`. Adds a location to its error like `atRange`. */
export function located<T>(file: SourceFile, range: SourceRange, prefix: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw atRange(error, file, range, prefix);
  }
}

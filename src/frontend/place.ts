import { VarveError } from "../core/index.ts";
import { atRange, type SourceFile, type SourceRange, snippet } from "../dockerfile/index.ts";

/** The error with the place in the Dockerfile it comes from: `details.location`, and the lines in its message. */
export function placed(error: unknown, file: SourceFile, range: SourceRange): unknown {
  if (!(error instanceof VarveError) || error.details["location"] !== undefined) return error;
  if (error.code === "invalid-build") return atRange(error, file, range);
  if (error.code === "cancelled" || error.code === "internal") return error;
  const location = { file: file.name, line: range.start.line, column: range.start.column };
  return new VarveError(error.code, `${error.message}\n${snippet(file, range)}`, {
    details: { ...error.details, location },
    cause: error,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

/** Runs `act`; its errors get the place. */
export function at<T>(file: SourceFile, range: SourceRange, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw placed(error, file, range);
  }
}

/** As `at`, for something that takes time. */
export async function atAsync<T>(file: SourceFile, range: SourceRange, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw placed(error, file, range);
  }
}

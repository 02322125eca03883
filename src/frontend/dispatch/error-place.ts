import { VarveError } from "../../core/index.ts";
import { hasPlace, type SourceFile, type SourceRange, withPlace } from "../../dockerfile/index.ts";

/** The error with the place in the Dockerfile it comes from; what is nobody's fault in the Dockerfile has none. */
export function placed(error: unknown, file: SourceFile, range: SourceRange): unknown {
  if (!(error instanceof VarveError) || hasPlace(error)) return error;
  if (error.code === "cancelled" || error.code === "internal") return error;
  return withPlace(error, file, range);
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

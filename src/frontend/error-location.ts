import { VarveError } from "../core/index.ts";
import { hasLocation, locatedError, type SourceFile, type SourceRange } from "../dockerfile/index.ts";

/** Returns the error with its location in the Dockerfile. Cancellation and internal errors get none. */
export function addLocation(error: unknown, file: SourceFile, range: SourceRange): unknown {
  if (!(error instanceof VarveError) || hasLocation(error)) return error;
  if (error.code === "cancelled" || error.code === "internal") return error;
  return locatedError(error, file, range);
}

/** Runs `act` and adds the location to its errors, whatever their code. */
export function withLocation<T>(file: SourceFile, range: SourceRange, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw addLocation(error, file, range);
  }
}

/** As `withLocation`, for asynchronous work. */
export async function withLocationAsync<T>(file: SourceFile, range: SourceRange, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw addLocation(error, file, range);
  }
}

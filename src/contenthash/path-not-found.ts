import { VarveError } from "../core/index.ts";

/** Returns the error for a selected path that does not exist. `details.path` is the path. */
export function pathNotFound(path: string): VarveError {
  return new VarveError("not-found", `Cannot checksum ${path}: not found`, { details: { path } });
}

import { VarveError } from "../core/index.ts";

/** What fails where a path that is asked for leads nowhere: `details.path` names it. */
export function missingPath(path: string): VarveError {
  return new VarveError("not-found", `Cannot checksum ${path}: not found`, { details: { path } });
}

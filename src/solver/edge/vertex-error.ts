import { VarveError, toVarveError } from "../../core/index.ts";
import type { SolverVertex } from "../vertex.ts";

/** Returns an error of a vertex, which it names in its details. */
export function vertexError(
  { digest, name }: Pick<SolverVertex<unknown>, "digest" | "name">,
  error: unknown,
): VarveError {
  const known = toVarveError(error, `solve ${name}`);
  return new VarveError(known.code, known.message, {
    details: { ...known.details, vertex: digest, vertexName: name },
    cause: known,
    hint: known.hint,
  });
}

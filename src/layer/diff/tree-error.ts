import { type ErrorCode, errnoOf, toVarveError, type VarveError } from "../../core/index.ts";

const CODES: ReadonlyMap<string, ErrorCode> = new Map([
  ["ENOENT", "busy"],
  ["ESTALE", "busy"],
  ["EPERM", "unsupported"],
  ["EACCES", "unsupported"],
  ["ENOTSUP", "unsupported"],
  ["ENAMETOOLONG", "limit-exceeded"],
  ["EMLINK", "limit-exceeded"],
  ["E2BIG", "limit-exceeded"],
  ["ERANGE", "limit-exceeded"],
  ["EINVAL", "corrupt"],
]);

/**
 * What a failed operation in a tree means: a file that is gone was taken away meanwhile (`busy`), a refused one needs more
 * privilege or another filesystem (`unsupported`), and what the kernel takes for nonsense is `corrupt`.
 */
export function treeError(error: unknown, doing: string): VarveError {
  return toVarveError(error, doing, CODES.get(errnoOf(error) ?? "") ?? "internal");
}

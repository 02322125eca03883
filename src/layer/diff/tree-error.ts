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
 * Converts the error of a file operation in a tree. A missing file was removed by somebody else in the meantime: `busy`. A
 * denied operation needs more privileges or another filesystem: `unsupported`. An argument that the kernel rejects as invalid
 * comes from the archive: `corrupt`.
 */
export function treeError(error: unknown, doing: string): VarveError {
  return toVarveError(error, doing, CODES.get(errnoOf(error) ?? "") ?? "internal");
}

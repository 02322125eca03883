/** What kind of failure an error is: a closed set. Each edge has a table that turns a code into what its clients expect. */
export const ERROR_CODES = [
  /** The caller's arguments are malformed: a bad flag, reference, platform or attribute. */
  "invalid-argument",
  /** The Dockerfile, the ignore file or the build context is wrong. `details.location` says where. */
  "invalid-build",
  /** A step of the build ended with a non-zero status or by a signal. */
  "step-failed",
  /** The named thing does not exist. */
  "not-found",
  /** The named thing exists and must not. */
  "already-exists",
  /** Bytes do not have the digest or the size that was promised, or an archive or document is malformed. */
  "corrupt",
  /** Something from outside is larger, deeper or longer than its limit. */
  "limit-exceeded",
  /** A registry, cache source or other remote refused or could not be reached. `details.status` holds an HTTP status. */
  "remote",
  /** Credentials are missing, wrong or not sufficient. */
  "unauthorized",
  /** The machine lacks something: a runtime, a kernel feature, a privilege. */
  "unsupported",
  /** The disk is full or read-only, or does not hold any more what was written to it. */
  "storage",
  /** The thing is in use, or another process holds its lock. */
  "busy",
  /** The caller's signal was aborted. */
  "cancelled",
  /** A bug in Varve. */
  "internal",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

import type { BuildMessage, BuildRequest } from "../../classic/index.ts";

export type { BuildLimits, Ulimit } from "../../classic/index.ts";

/** The parameters of `POST /build`. */
export type ClassicBuildRequest = BuildRequest;

/** One object of a progress stream. */
export type ProgressMessage =
  | BuildMessage
  | { readonly error: string; readonly errorDetail: { readonly message: string; readonly code?: number | undefined } };

/**
 * Runs a build and emits its progress. An error before the first message sets the status of the response; a later error
 * becomes the last message. A `VarveError` whose `details.exitCode` is a number reports a failed step.
 */
export type ClassicBuild = (
  request: ClassicBuildRequest,
  emit: (message: ProgressMessage) => void,
  signal: AbortSignal,
) => Promise<unknown>;

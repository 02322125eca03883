import type { BuildMessage, BuildRequest } from "../../classic/index.ts";
import type { CredentialSource } from "../../registry/index.ts";

export type { BuildLimits, Ulimit } from "../../classic/index.ts";

/** What `POST /build` asks for. */
export interface ClassicBuildRequest extends BuildRequest {
  /** For the images that are pulled on the way. */
  readonly credentials: CredentialSource;
}

/** One object of a progress stream. */
export type ProgressMessage =
  | BuildMessage
  | { readonly error: string; readonly errorDetail: { readonly message: string; readonly code?: number | undefined } };

/**
 * Builds, telling how it goes. What it throws before the first message becomes the status of the response, and what it
 * throws afterwards the last message: a `VarveError` whose `details.exitCode` is a number is of a step that failed.
 */
export type ClassicBuild = (
  request: ClassicBuildRequest,
  emit: (message: ProgressMessage) => void,
  signal: AbortSignal,
) => Promise<unknown>;

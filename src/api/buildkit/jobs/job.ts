import type { ForwardedBuild } from "../gateway/forwarded-build.ts";
import type { StatusLog } from "../../../history/index.ts";

/** A build that a client has started. */
export interface Job {
  readonly ref: string;
  /** What happens in the build. It is closed when the build has ended. */
  readonly status: StatusLog;
  /** The state of a build that the client drives. Rejects if the build drives itself, or has failed to start. */
  readonly forwarded: Promise<ForwardedBuild>;
}

import type { StatusLog } from "../../../history/index.ts";
import type { ForwardedBuild } from "../gateway/forwarded-build.ts";
import { noSuchJob } from "./no-such-job.ts";

/** A build that a client has started. */
export class Job {
  readonly ref: string;
  /** What happens in the build. It is closed when the build has ended. */
  readonly status: StatusLog;
  #forwarded = pending();

  constructor(ref: string, status: StatusLog) {
    this.ref = ref;
    this.status = status;
  }

  /**
   * The state of a build that the client drives. Rejects if the build drives itself, has failed to start, or has ended: a job can be found
   * for a while after its end, and must not keep what its build had in memory until then.
   */
  get forwarded(): Promise<ForwardedBuild> {
    return this.#forwarded.promise;
  }

  /** The client can drive its build from now on. */
  drive(build: ForwardedBuild): void {
    this.#forwarded.resolve(build);
  }

  /** The build has ended, with an error or without one. */
  end(error: Error | undefined): void {
    const reason = error ?? noSuchJob(this.ref);
    // Those who wait already, and those who ask later.
    this.#forwarded.reject(reason);
    this.#forwarded = pending();
    this.#forwarded.reject(reason);
  }
}

function pending(): PromiseWithResolvers<ForwardedBuild> {
  const forwarded = Promise.withResolvers<ForwardedBuild>();
  forwarded.promise.catch(() => undefined);
  return forwarded;
}

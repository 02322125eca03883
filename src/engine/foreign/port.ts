import type { RequestTrace } from "../attest/request-trace.ts";
import type { FrontendImages } from "../../frontend/index.ts";
import type { PlaceOf } from "../failure.ts";
import type { Session } from "../session.ts";
import type { BuildTargets } from "../targets.ts";
import type { ForeignFrontend } from "./choice.ts";

/** A build of this process whose Dockerfile a front end reads that is an image. */
export interface ForeignRequest {
  readonly frontend: ForeignFrontend;
  /** The options of the build, as BuildKit's clients send them. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly images: FrontendImages;
  readonly session: Session;
  /** Keeps what the front end uses until the build ends. */
  readonly stack: AsyncDisposableStack;
  /** Gets what the front end reads besides the graphs of its results. */
  readonly trace: RequestTrace;
}

/** What a front end has returned. */
export interface ForeignResult extends BuildTargets {
  readonly metadata: ReadonlyMap<string, Uint8Array>;
  /** Returns what a vertex was compiled from, as the front end says. */
  readonly placeOf: PlaceOf;
}

/**
 * Runs front ends that are images. The engine does not know their protocol, which is BuildKit's API: `api/buildkit/` implements this, and
 * whoever starts a build passes it in.
 */
export interface ForeignFrontends {
  /**
   * Runs a front end until it returns. What it has solved is kept until the session ends.
   *
   * @throws {VarveError} The front end's error, with the position of the directive if it has none of its own.
   */
  run(request: ForeignRequest): Promise<ForeignResult>;
}

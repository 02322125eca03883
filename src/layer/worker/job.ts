import type { Application } from "../apply-here.ts";
import type { Difference } from "../diff-here.ts";

/** Work for a thread. Its paths are byte strings, since a `Buffer` would arrive as another array. */
export type Job = DiffJob | ApplyJob;

/** Sends an archive. */
export interface DiffJob extends Difference {
  readonly kind: "diff";
}

/** Takes an archive; its result is `Unpacked`. */
export interface ApplyJob extends Application {
  readonly kind: "apply";
}

import type { ApplyJob } from "../apply-job.ts";
import type { DiffJob } from "../diff-job.ts";
import type { DraftJob } from "../draft/run-draft-job.ts";

/**
 * Work for a thread. A `DiffJob` or a `DraftJob` sends an archive; an `ApplyJob` receives an archive, and its result is an `Unpacked`. Paths in
 * jobs are byte strings, because a `Buffer` arrives in another thread as a plain `Uint8Array`.
 */
export type Job = DiffJob | DraftJob | ApplyJob;

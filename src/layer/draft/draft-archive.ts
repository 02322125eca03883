import { SMALL_BYTES, SMALL_FILES } from "../small-tree.ts";
import { diffInThread } from "../worker/run-in-thread.ts";
import type { Draft } from "./draft.ts";
import { type DraftJob, runDraftJob } from "./run-draft-job.ts";

/**
 * Returns the layer that a draft describes, as an uncompressed archive. The bytes are those that `diffOverlay` returns where the
 * changes were made. Reads every file that the layer contains.
 *
 * @throws {VarveError} the errors of `diffTrees`
 */
export async function* draftArchive(draft: Draft, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const job: DraftJob = { kind: "draft", draft };
  if (isSmall(draft)) yield* runDraftJob(job, signal);
  else yield* diffInThread(job, signal);
}

function isSmall({ entries }: Draft): boolean {
  const bytes = entries.reduce((sum, entry) => sum + (entry.type === "file" ? Number(entry.stats.size) : 0), 0);
  return entries.length <= SMALL_FILES && bytes <= SMALL_BYTES;
}

import { VarveError } from "../../core/index.ts";
import type { Bytes } from "../../io/index.ts";
import type { ApplyJob } from "../apply-job.ts";
import type { DiffJob } from "../diff-job.ts";
import type { DraftJob } from "../draft/run-draft-job.ts";
import type { Unpacked } from "../unpack/unpack.ts";
import { startJob } from "./threads.ts";

/**
 * Writes a layer in another thread: the difference of two trees, or one that was described. Returns it as an archive. If the reader stops early, waits until the thread
 * has closed the trees.
 */
export async function* diffInThread(
  job: DiffJob | DraftJob,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  using running = startJob(job, signal);
  const { channel } = running;
  try {
    yield* channel.receive();
  } finally {
    await channel.ended();
  }
}

/** Unpacks an archive in another thread. The current thread reads the archive. Returns after the thread closed the directory. */
export async function applyInThread(tar: Bytes, job: ApplyJob, signal: AbortSignal | undefined): Promise<Unpacked> {
  using running = startJob(job, signal);
  await running.channel.send(tar, "copy");
  const unpacked = await running.channel.result();
  if (unpacked === undefined) throw new VarveError("internal", "Cannot apply a layer: its thread returned no result");
  return unpacked;
}

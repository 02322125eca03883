import type { Bytes } from "../../io/index.ts";
import type { Unpacked } from "../unpack/unpack.ts";
import type { ApplyJob, DiffJob } from "./job.ts";
import { startJob } from "./threads.ts";

/** The archive of a difference that a thread finds. A reader that leaves early waits until the thread has let go of the trees. */
export async function* diffInThread(job: DiffJob, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  using running = startJob(job, signal);
  const { line } = running;
  try {
    yield* line.receive();
  } finally {
    await line.ended();
  }
}

/** Has a thread unpack an archive that this one reads. Over when the thread has let go of the directory. */
export async function applyInThread(tar: Bytes, job: ApplyJob, signal: AbortSignal | undefined): Promise<Unpacked> {
  using running = startJob(job, signal);
  await running.line.send(tar, "copy");
  return (await running.line.result()) as Unpacked;
}

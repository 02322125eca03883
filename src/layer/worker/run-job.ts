import type { MessagePort } from "node:worker_threads";
import { runApplyJob } from "../apply-job.ts";
import { runDiffJob } from "../diff-job.ts";
import { runDraftJob } from "../draft/run-draft-job.ts";
import type { Unpacked } from "../unpack/unpack.ts";
import type { Job } from "./job.ts";
import { JobChannel } from "./job-channel.ts";

/** Runs a job in the current thread. Sends its result or error through the port. Never rejects. */
export async function runJob(job: Job, port: MessagePort): Promise<void> {
  const channel = new JobChannel(port, () => new Error("the main thread has closed the channel of the job"));
  try {
    channel.succeed(await run(job, channel));
  } catch (error) {
    channel.fail(error);
  }
}

async function run(job: Job, channel: JobChannel): Promise<Unpacked | undefined> {
  switch (job.kind) {
    case "diff":
      await channel.send(runDiffJob(job, channel.signal), "move");
      return undefined;
    case "draft":
      await channel.send(runDraftJob(job, channel.signal), "move");
      return undefined;
    case "apply":
      return await runApplyJob(channel.receive(), job, channel.signal);
  }
}

import type { MessagePort } from "node:worker_threads";
import { applyHere } from "../apply-here.ts";
import { diffHere } from "../diff-here.ts";
import type { Job } from "./job.ts";
import { Line } from "./line.ts";

/** Does a job in this thread. What becomes of it goes through the port; never rejects. */
export async function runJob(job: Job, port: MessagePort): Promise<void> {
  const line = new Line(port, () => new Error("The other end has gone"));
  try {
    line.succeed(await run(job, line));
  } catch (error) {
    line.fail(error);
  }
}

async function run(job: Job, line: Line): Promise<unknown> {
  switch (job.kind) {
    case "diff":
      return await line.send(diffHere(job, line.signal), "move");
    case "apply":
      return await applyHere(line.receive(), job, line.signal);
  }
}

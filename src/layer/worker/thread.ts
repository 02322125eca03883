/** The program of a thread. It receives jobs, runs any number of them concurrently, and ends with the process. */
import module from "node:module";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { Job } from "./job.ts";
import type { ThreadData } from "./threads.ts";

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Node types `workerData` as any; `threads.ts` sets it
const { compileCache } = workerData as ThreadData;
if (compileCache !== undefined) module.enableCompileCache(compileCache);

/** Messages wait for the listener. */
async function start(): Promise<void> {
  const { runJob } = await import("./run-job.ts");
  parentPort?.on("message", ({ job, port }: { readonly job: Job; readonly port: MessagePort }) => {
    void runJob(job, port);
  });
}

void start();

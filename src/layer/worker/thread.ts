/** What a thread runs: takes jobs, any number at a time, until its process ends. */
import module from "node:module";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { Job } from "./job.ts";
import type { ThreadData } from "./threads.ts";

const { compileCache } = workerData as ThreadData;
if (compileCache !== undefined) module.enableCompileCache(compileCache);
const { runJob } = await import("./run-job.ts");

parentPort?.on("message", ({ job, port }: { readonly job: Job; readonly port: MessagePort }) => void runJob(job, port));

import module from "node:module";
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import { MessageChannel, Worker } from "node:worker_threads";
import { VarveError } from "../../core/index.ts";
import { returnLargeBuffers } from "../../linux/index.ts";
import type { Job } from "./job.ts";
import { JobChannel } from "./job-channel.ts";
import { threadProgram } from "./program.ts";

/** A thread for jobs. It sees the mounts that the main thread saw when it started the thread (see `unshareMounts`). */
interface Thread {
  readonly worker: Worker;
  /** Number of its running jobs. */
  jobs: number;
  /** Ends the thread, unless it gets a job before. */
  idle?: NodeJS.Timeout;
  /** The error that ended the thread. */
  error?: unknown;
}

/** More threads would only wait for the same disk. */
const MAX_THREADS = Math.min(4, availableParallelism());
/**
 * MiB. What a job reads dies young, and most of it is outside the heap: with the default, a thread keeps tens of MiB of dead buffers
 * before it looks for them.
 */
const YOUNG_GENERATION = 3;

/** Milliseconds after which a thread without a job ends, because it holds memory. */
const IDLE = 10_000;

const threads = new Set<Thread>();

/** What a thread gets when it starts. */
export interface ThreadData {
  /** Directory of Node's compile cache. */
  readonly compileCache: string | undefined;
}

function startThread(): Thread {
  returnLargeBuffers();
  const cache = module.getCompileCacheDir();
  const workerData: ThreadData = { compileCache: cache === undefined ? undefined : dirname(cache) };
  const program = threadProgram();
  const worker = new Worker(program.kind === "module" ? program.url : program.code, {
    eval: program.kind === "code",
    name: "varve-layer",
    workerData,
    // Node rejects some flags of the main program in threads.
    execArgv: [],
    // Varve also opens descriptors by system calls that Node does not see.
    trackUnmanagedFds: false,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION },
  });
  // An idle thread must not keep the process alive.
  worker.unref();
  const thread: Thread = { worker, jobs: 0 };
  worker.once("error", (error) => {
    thread.error = error;
    threads.delete(thread);
  });
  worker.once("exit", () => threads.delete(thread));
  threads.add(thread);
  return thread;
}

/** Returns an idle thread, or else a new one, or, if there are `MAX_THREADS`, the one with the fewest jobs. Never waits. */
function chooseThread(): Thread {
  const [first] = [...threads].toSorted((a, b) => a.jobs - b.jobs);
  return first === undefined || (first.jobs > 0 && threads.size < MAX_THREADS) ? startThread() : first;
}

function endThread(thread: Thread): void {
  threads.delete(thread);
  void thread.worker.terminate();
}

/** A job in a thread. Dispose of it when the job has ended. */
export interface RunningJob extends Disposable {
  readonly channel: JobChannel;
}

/** Starts a job in a thread. Aborting `signal` aborts the job. */
export function startJob(job: Job, signal: AbortSignal | undefined): RunningJob {
  const thread = chooseThread();
  const { port1, port2 } = new MessageChannel();
  const channel = new JobChannel(port1, () => {
    return new VarveError("internal", `Cannot ${job.kind} a layer: its thread has ended`, { cause: thread.error });
  });
  const abort = (): void => channel.abort(signal?.reason);
  thread.jobs += 1;
  clearTimeout(thread.idle);
  thread.worker.postMessage({ job, port: port2 }, [port2]);
  if (signal?.aborted === true) abort();
  else signal?.addEventListener("abort", abort, { once: true });
  return {
    channel,
    [Symbol.dispose]: () => {
      signal?.removeEventListener("abort", abort);
      channel.close();
      thread.jobs -= 1;
      if (thread.jobs === 0) thread.idle = setTimeout(() => endThread(thread), IDLE).unref();
    },
  };
}

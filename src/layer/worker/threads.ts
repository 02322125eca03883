import module from "node:module";
import { availableParallelism } from "node:os";
import { dirname, extname } from "node:path";
import { MessageChannel, Worker } from "node:worker_threads";
import { VarveError } from "../../core/index.ts";
import type { Job } from "./job.ts";
import { Line } from "./line.ts";

/** A thread sees the mounts of the one that starts it: of the main thread, as they are after `unshareMounts`. */
interface Thread {
  readonly worker: Worker;
  jobs: number;
  /** Why it ended. */
  error?: Error | undefined;
}

/** More would wait for the same disk. */
const MOST = Math.min(4, availableParallelism());
/** From its sources Varve runs as TypeScript, as a package compiled. */
const ENTRY = new URL(`./thread${extname(import.meta.url)}`, import.meta.url);

const threads = new Set<Thread>();

/** Given to a thread when it starts: where compiled code is kept, so that it need not be compiled again. */
export interface ThreadData {
  readonly compileCache: string | undefined;
}

function startThread(): Thread {
  const cache = module.getCompileCacheDir();
  const workerData: ThreadData = { compileCache: cache === undefined ? undefined : dirname(cache) };
  const worker = new Worker(ENTRY, {
    name: "varve-layer",
    workerData,
    // The flags of this process may be such that only a main program takes.
    execArgv: [],
    // Descriptors come from system calls of our own too, which Node does not see.
    trackUnmanagedFds: false,
  });
  // Without work it keeps no process alive, and ends with it.
  worker.unref();
  const thread: Thread = { worker, jobs: 0 };
  worker.once("error", (error) => {
    thread.error = error as Error;
    threads.delete(thread);
  });
  worker.once("exit", () => threads.delete(thread));
  threads.add(thread);
  return thread;
}

/** One without work, or a new one, or, when there are enough, that with the fewest jobs: nobody has to wait for a place. */
function thread(): Thread {
  const [first] = [...threads].toSorted((a, b) => a.jobs - b.jobs);
  return first === undefined || (first.jobs > 0 && threads.size < MOST) ? startThread() : first;
}

/** A job that a thread has been given; to be disposed of when the job is over. */
export interface RunningJob extends Disposable {
  readonly line: Line;
}

/** Has a thread do a job, and passes on that `signal` is aborted. */
export function startJob(job: Job, signal: AbortSignal | undefined): RunningJob {
  const chosen = thread();
  const { port1, port2 } = new MessageChannel();
  const line = new Line(port1, () => {
    return new VarveError("internal", `Cannot ${job.kind} a layer: its thread has ended`, { cause: chosen.error });
  });
  const abort = (): void => line.abort(signal?.reason);
  chosen.jobs += 1;
  chosen.worker.postMessage({ job, port: port2 }, [port2]);
  if (signal?.aborted === true) abort();
  else signal?.addEventListener("abort", abort, { once: true });
  return {
    line,
    [Symbol.dispose]: () => {
      signal?.removeEventListener("abort", abort);
      line.close();
      chosen.jobs -= 1;
    },
  };
}

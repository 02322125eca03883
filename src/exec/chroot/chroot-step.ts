import { VarveError } from "../../core/index.ts";
import { exitOf, startError } from "../outcome.ts";
import type { JoiningProcess, RunResult, RunSpec, RunningStep, StepProcess } from "../types.ts";
import type { StepReport } from "./order.ts";
import type { Supervised } from "./supervised.ts";

/** A step that was started. Disposing of it ends all its processes, and cleans up after them by `stack`. */
export class ChrootStep implements RunningStep {
  readonly first: StepProcess;
  readonly #supervised: Supervised;
  readonly #stack: AsyncDisposableStack;

  constructor(supervised: Supervised, spec: RunSpec, stack: AsyncDisposableStack) {
    this.#supervised = supervised;
    this.#stack = stack;
    this.first = firstProcess(supervised, spec);
  }

  join(_process: JoiningProcess): Promise<StepProcess> {
    return Promise.reject(
      new VarveError("unsupported", "Cannot start another process in the step: it is isolated by a chroot only"),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#supervised.kill();
    await this.#stack.disposeAsync();
  }
}

function firstProcess(supervised: Supervised, { stdin, onOutput, process: { args } }: RunSpec): StepProcess {
  if (stdin !== undefined) supervised.streams.feed(stdin);
  const drained = supervised.streams.pump((stream, chunk) => onOutput?.(stream, chunk));
  const exited = supervised.end().then((report) => resultOf(report, args));
  // Whoever waits for them handles their errors, but perhaps later.
  for (const promise of [drained, exited]) promise.catch(() => undefined);
  return {
    drained,
    exited,
    signal: (name) => supervised.signal(name),
    // It has no terminal.
    resize: () => undefined,
  };
}

const KILLED: StepReport = { kind: "ended", code: null, signal: "SIGKILL" };

function resultOf(report: StepReport = KILLED, args: readonly string[]): RunResult {
  if (report.kind === "ended") return { ...exitOf(report), oomKilled: false };
  if (report.stage === "exec") throw startError(`exec: ${report.message}`, args);
  if (report.stage === "directory") throw startError(`chdir: ${report.message}`, args);
  throw new VarveError("unsupported", `Cannot run steps in a chroot: ${report.message}`, {
    hint: "Run as root in a container with the default capabilities.",
  });
}

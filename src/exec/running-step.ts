import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { VarveError } from "../core/index.ts";
import type { WindowSize } from "../linux/index.ts";
import { joiningProcess, type PreparedStep, type StepContext } from "./bundle/prepare.ts";
import { requireNsenter } from "./find.ts";
import { type Launch, namespaceError } from "./launch.ts";
import { launchInto } from "./launch-into.ts";
import { joinScript, type LaunchTools } from "./launch-script.ts";
import { type Exit, exitOf, isForeign, runtimeError, startError } from "./outcome.ts";
import { ProcessControl } from "./process-control.ts";
import { childrenOf, isRunning } from "./process-tree.ts";
import type { InputKind } from "./streams.ts";
import type { JoiningProcess, ProcessStreams, RunResult, RunningStep, StepProcess } from "./types.ts";

/** What a step that was started consists of. */
export interface StepParts {
  readonly context: StepContext;
  readonly tools: LaunchTools;
  readonly launched: Launch;
  readonly prepared: PreparedStep;
  /** Files of control groups that a process writes "0" to. */
  readonly groupFiles: readonly string[];
  readonly logFile: string;
  /** Returns the runtime and its arguments for a subcommand. */
  readonly command: (logFile: string, subcommand: readonly string[]) => string[];
  /** Called when the first process has ended well. */
  readonly onSuccess: () => Promise<void>;
  /** Called when the first process has ended, in whatever way. Returns how many processes the kernel has killed for want of memory. */
  readonly onEnd: () => { readonly oomKills: number };
}

/** The files in which a runtime keeps the state of a container, from when its first process runs. */
const STATE_FILES = { crun: "status", runc: "state.json" } as const;
/** Milliseconds between two looks for the state. */
const INTERVAL = 10;

/** Returns what a process needs as its standard input. */
export function inputOf({ stdin, terminal = false }: ProcessStreams): InputKind {
  if (terminal) return "terminal";
  return stdin === undefined ? "empty" : "pipe";
}

/** A step whose runtime was started. Disposing of it ends all its processes, and cleans up after them by `stack`. */
export class OpenStep implements RunningStep {
  readonly first: StepProcess;
  readonly #parts: StepParts;
  readonly #stack: AsyncDisposableStack;
  readonly #joined = new AsyncDisposableStack();
  #count = 0;

  constructor(parts: StepParts, stack: AsyncDisposableStack) {
    this.#parts = parts;
    this.#stack = stack;
    const { launched, context, logFile } = parts;
    this.first = new LaunchedProcess(launched, context.spec, async () => {
      const end = await launched.end();
      if (end.code === 0) await parts.onSuccess();
      const exit = exitOf(end);
      const { oomKills } = parts.onEnd();
      if (exit.exitCode !== 0) await checkStarted(launched, exit, logFile, { ...context, ...context.spec });
      return { ...exit, oomKilled: oomKills > 0 };
    });
  }

  async join(joining: JoiningProcess): Promise<StepProcess> {
    const { context, prepared, tools, launched, groupFiles, command } = this.#parts;
    const { directory, runtime } = context;
    const nsenter = await requireNsenter("start a process in a step");
    this.#count += 1;
    const file = join(directory.path, `process-${this.#count}.json`);
    const logFile = join(directory.path, `log-${this.#count}.json`);
    writeFileSync(file, joiningProcess(context, prepared, joining), { mode: 0o600 });
    await this.#untilRunning(join(directory.runtimeState, directory.id, STATE_FILES[runtime.name]));
    if (this.#joined.disposed) throw await this.#hasEnded();
    const subcommand = ["exec", "--process", file, directory.id];
    const script = joinScript({ command: command(logFile, subcommand), scratch: directory.path, groupFiles });
    const started = launchInto(launched, {
      tools: { ...tools, nsenter },
      directory: directory.path,
      script,
      input: inputOf(joining),
    });
    if (started === undefined) throw await this.#hasEnded();
    this.#joined.use(started);
    return new LaunchedProcess(started, joining, async () => {
      const exit = exitOf(await started.end());
      // The end of a step is known before that of what it has killed.
      if (exit.exitCode !== 0 && this.#isEnding) await this.first.exited.catch(() => undefined);
      try {
        if (exit.exitCode !== 0) await checkStarted(started, exit, logFile, { ...context, ...joining });
      } catch (error) {
        // The namespaces, or the container, were gone before the process was in them.
        if (this.#isEnding) return KILLED;
        throw error;
      }
      return { ...exit, oomKilled: false };
    });
  }

  /** True if the step's first process, the runtime's child, has ended or is ending. */
  get #isEnding(): boolean {
    const runtime = this.#parts.launched.first();
    return runtime === undefined || !childrenOf(runtime).some((child) => isRunning(child));
  }

  /** Returns the error of a process that came too late. How the step has ended is known before it. */
  async #hasEnded(): Promise<VarveError> {
    await this.first.exited.catch(() => undefined);
    return new VarveError("not-found", "Cannot start a process in a step: the step has ended");
  }

  async #untilRunning(stateFile: string): Promise<void> {
    const { launched } = this.#parts;
    while (!existsSync(stateFile)) {
      if (launched.first() === undefined) throw await this.#hasEnded();
      await sleep(INTERVAL);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#parts.launched.kill();
    // In reverse order: those that joined end with the first process.
    await using _stack = this.#stack;
    await using _joined = this.#joined;
  }
}

const KILLED: RunResult = { exitCode: 137, signal: "SIGKILL", oomKilled: false };

class LaunchedProcess implements StepProcess {
  readonly exited: Promise<RunResult>;
  readonly drained: Promise<void>;
  readonly #control: ProcessControl;

  constructor(launched: Launch, { stdin, onOutput }: ProcessStreams, end: () => Promise<RunResult>) {
    if (stdin !== undefined) launched.streams.feed(stdin);
    this.drained = launched.streams.pump((stream, chunk) => onOutput?.(stream, chunk));
    this.exited = end();
    this.#control = new ProcessControl(launched);
    // Whoever waits for them handles their errors, but perhaps later.
    for (const promise of [this.drained, this.exited]) promise.catch(() => undefined);
  }

  signal(signal: NodeJS.Signals): void {
    this.#control.signal(signal);
  }

  resize(size: WindowSize): void {
    this.#control.resize(size);
  }
}

/** Throws if a runtime that has failed, or what comes before it, could not start its process. */
async function checkStarted(
  { problem: reason }: Launch,
  { exitCode }: Exit,
  logFile: string,
  { process: { args }, emulation }: Pick<JoiningProcess, "process"> & Pick<StepContext, "emulation">,
): Promise<void> {
  if (reason !== "") throw namespaceError(reason);
  // Every runtime creates its log first.
  if (exitCode === 1 && !existsSync(logFile)) throw namespaceError("the mount namespace of the step");
  const problem = await runtimeError(logFile);
  if (problem === undefined) return;
  const error = startError(problem, args);
  throw emulation.kind === "unknown" && isForeign(error) ? emulation.problem : error;
}

import type { ChildProcess } from "node:child_process";
import { VarveError } from "../core/index.ts";
import { SilenceTimer } from "../io/index.ts";

export interface GroupOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds without output after which the group is stopped. */
  readonly quiet?: number | undefined;
  /** Called with the milliseconds without output: after `notice`, then each time that duration has doubled. */
  readonly onQuiet?: ((ms: number) => void) | undefined;
  /** Milliseconds. Defaults to 5,000. */
  readonly notice?: number | undefined;
  /** Completes "Cannot …" in an error. */
  readonly what: string;
}

/** Milliseconds between SIGTERM and SIGKILL. */
const GRACE = 2000;

/**
 * The process group of a detached child. Stopping the whole group also stops processes that the child has started (git's
 * transports), which would otherwise outlive it and keep its pipes open. The group is stopped on abort, and if there is no
 * output for too long. The child's `close` event follows.
 */
export class ProcessGroup implements Disposable {
  readonly #child: ChildProcess;
  readonly #options: GroupOptions;
  #quiet: NodeJS.Timeout | undefined;
  #notice: SilenceTimer | undefined;
  #kill: NodeJS.Timeout | undefined;
  #stopped: VarveError | undefined;

  constructor(child: ChildProcess, options: GroupOptions) {
    this.#child = child;
    this.#options = options;
    const { signal } = options;
    signal?.addEventListener("abort", this.#onAbort);
    if (signal?.aborted === true) this.#onAbort();
    this.#limitSilence();
    this.#noticeSilence();
  }

  /** The reason why the processes were stopped; undefined if they were not. */
  get stopped(): VarveError | undefined {
    return this.#stopped;
  }

  /** Sends SIGTERM, so that the processes can remove their lock files, and SIGKILL later. */
  stop(error: VarveError): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = error;
    this.#send("SIGTERM");
    this.#kill = setTimeout(() => this.#send("SIGKILL"), GRACE);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#quiet);
    this.#notice?.[Symbol.dispose]();
    clearTimeout(this.#kill);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
  }

  #limitSilence(): void {
    const { quiet, what } = this.#options;
    if (quiet === undefined) return;
    const state = `the server sent nothing for ${quiet / 1000} s`;
    const error = new VarveError("remote", `Cannot ${what}: ${state}`, { details: { failure: "timeout" } });
    this.#quiet = setTimeout(() => this.stop(error), quiet);
    this.#onOutput(() => this.#quiet?.refresh());
  }

  #noticeSilence(): void {
    const { onQuiet, notice } = this.#options;
    if (onQuiet === undefined) return;
    const timer = new SilenceTimer(onQuiet, notice);
    this.#notice = timer;
    this.#onOutput(() => timer.restart());
  }

  #onOutput(then: () => void): void {
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream?.on("data", then);
  }

  readonly #onAbort = (): void => {
    const { signal, what } = this.#options;
    this.stop(new VarveError("cancelled", `Cannot ${what}: cancelled`, { cause: signal?.reason }));
  };

  #send(signal: NodeJS.Signals): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch {
      // All processes have ended.
    }
  }
}

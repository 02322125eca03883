import type { ChildProcess } from "node:child_process";
import { VarveError } from "../core/index.ts";
import { FIRST_NOTICE } from "../io/index.ts";

export interface GroupOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which the group is stopped when it prints nothing. */
  readonly quiet?: number | undefined;
  /** Told how many milliseconds the group has printed nothing: after `notice`, then each time the silence has doubled. */
  readonly onQuiet?: ((ms: number) => void) | undefined;
  /** Milliseconds; default 5,000. */
  readonly notice?: number | undefined;
  /** Completes "Cannot …" in an error. */
  readonly what: string;
}

/** Milliseconds that processes have to end by themselves. */
const GRACE = 2000;

/**
 * The processes of a detached child, which end together: those it started (git's transports) would outlive it else, and keep its pipes
 * open. Stops them at an abort, and when nothing comes through the child's pipes for too long. The child's `close` follows.
 */
export class ProcessGroup implements Disposable {
  readonly #child: ChildProcess;
  readonly #options: GroupOptions;
  #quiet: NodeJS.Timeout | undefined;
  #notice: NodeJS.Timeout | undefined;
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

  /** Why the processes were stopped; undefined if they were not. */
  get stopped(): VarveError | undefined {
    return this.#stopped;
  }

  /** Ends the processes; what has to be put away, such as lock files, they put away. */
  stop(error: VarveError): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = error;
    this.#send("SIGTERM");
    this.#kill = setTimeout(() => this.#send("SIGKILL"), GRACE);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#quiet);
    clearTimeout(this.#notice);
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
    const { onQuiet, notice = FIRST_NOTICE } = this.#options;
    if (onQuiet === undefined) return;
    const wait = (after: number, sum: number): void => {
      clearTimeout(this.#notice);
      this.#notice = setTimeout(() => {
        onQuiet(sum);
        wait(sum, 2 * sum);
      }, after);
    };
    wait(notice, notice);
    this.#onOutput(() => wait(notice, notice));
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
      // All of them have ended.
    }
  }
}

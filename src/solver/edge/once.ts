import { VarveError, throwIfAborted } from "../../core/index.ts";

interface Run<T> {
  readonly promise: Promise<T>;
  readonly controller: AbortController;
  waiters: number;
}

type OnceState<T> =
  | { readonly kind: "idle" }
  | { readonly kind: "running"; readonly run: Run<T> }
  /** No caller waits any more, and the work was aborted. */
  | { readonly kind: "stopping"; readonly ended: Promise<void> }
  | { readonly kind: "done"; readonly promise: Promise<T> };

/**
 * Work that runs once, however many callers ask for it. It is aborted when every caller has left. If a caller asks again,
 * the work starts again after the aborted run has ended. A success or a failure is final.
 */
export class Once<T> {
  readonly #work: (signal: AbortSignal) => Promise<T>;
  #state: OnceState<T> = { kind: "idle" };

  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.#work = work;
  }

  /** Starts the work or joins the running one. Rejects with `cancelled` when the caller's signal is aborted. */
  async get(signal: AbortSignal): Promise<T> {
    throwIfAborted(signal, "wait for shared work");
    while (this.#state.kind === "stopping") await this.#state.ended;
    throwIfAborted(signal, "wait for shared work");
    if (this.#state.kind === "done") return await this.#state.promise;
    const run = this.#state.kind === "running" ? this.#state.run : this.#start();
    run.waiters += 1;
    return await this.#wait(run, signal);
  }

  /** Resolves when the aborted run has ended. */
  async stopped(): Promise<void> {
    if (this.#state.kind === "stopping") await this.#state.ended;
  }

  #start(): Run<T> {
    const controller = new AbortController();
    const promise = Promise.resolve().then(() => this.#work(controller.signal));
    const run: Run<T> = { promise, controller, waiters: 0 };
    this.#state = { kind: "running", run };
    const settle = (failed: boolean): void => {
      this.#state = failed && controller.signal.aborted ? { kind: "idle" } : { kind: "done", promise };
    };
    promise.then(
      () => settle(false),
      () => settle(true),
    );
    return run;
  }

  async #wait(run: Run<T>, signal: AbortSignal): Promise<T> {
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => {
      reject(new VarveError("cancelled", "Cannot wait for shared work: cancelled", { cause: signal.reason }));
      run.waiters -= 1;
      if (run.waiters === 0) this.#stop(run);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([run.promise, aborted]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #stop(run: Run<T>): void {
    if (this.#state.kind !== "running" || this.#state.run !== run) return;
    const ended = run.promise.then(
      () => undefined,
      () => undefined,
    );
    this.#state = { kind: "stopping", ended };
    run.controller.abort();
  }
}

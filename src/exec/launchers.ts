import type { InputKind } from "./streams.ts";

/** What gets ready for a step. */
export interface Launcher extends AsyncDisposable {
  readonly isAlive: boolean;
}

/**
 * Starts launchers ahead of time: while a step runs, the launcher of the next one gets ready. Disposal ends the one that waits.
 */
export class Launchers<T extends Launcher> implements AsyncDisposable {
  readonly #start: (input: InputKind, enter: readonly string[]) => T;
  #spare: T | undefined;
  #closed = false;

  constructor(start: (input: InputKind, enter: readonly string[]) => T) {
    this.#start = start;
  }

  /**
   * Returns the launcher that waits, or a new one. The caller disposes of it. Those that wait have no standard input, and are in the
   * namespaces of this process: a step that reads some, or enters others, gets a new one.
   */
  async take(input: InputKind = "empty", enter: readonly string[] = []): Promise<T> {
    if (input !== "empty" || enter.length > 0) return this.#start(input, enter);
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare?.isAlive === true) return spare;
    await spare?.[Symbol.asyncDispose]();
    return this.#start("empty", []);
  }

  /** Starts a launcher if none waits. */
  prepare(): void {
    if (this.#closed) return;
    try {
      this.#spare ??= this.#start("empty", []);
    } catch {
      // The step that needs one will report why.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#spare?.[Symbol.asyncDispose]();
  }
}

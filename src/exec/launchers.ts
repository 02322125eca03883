import { type Launch, launch } from "./launch.ts";
import type { LaunchTools } from "./launch-script.ts";
import type { InputKind } from "./streams.ts";

/**
 * Starts launchers ahead of time: while a step runs, the launcher of the next one gets ready. Disposal ends the one that waits.
 */
export class Launchers implements AsyncDisposable {
  readonly #tools: LaunchTools;
  readonly #directory: string;
  #spare: Launch | undefined;
  #closed = false;

  /** Scripts of launchers are named relative to `directory`. */
  constructor(tools: LaunchTools, directory: string) {
    this.#tools = tools;
    this.#directory = directory;
  }

  /**
   * Returns the launcher that waits, or a new one. The caller disposes of it. Those that wait have no standard input, and are in the
   * namespaces of this process: a step that reads some, or enters others, gets a new one.
   */
  async take(input: InputKind = "empty", enter: readonly string[] = []): Promise<Launch> {
    if (input !== "empty" || enter.length > 0) return launch(this.#tools, this.#directory, input, enter);
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare?.isAlive === true) return spare;
    await spare?.[Symbol.asyncDispose]();
    return launch(this.#tools, this.#directory);
  }

  /** Starts a launcher if none waits. */
  prepare(): void {
    if (this.#closed) return;
    try {
      this.#spare ??= launch(this.#tools, this.#directory);
    } catch {
      // The step that needs one will report why.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#spare?.[Symbol.asyncDispose]();
  }
}

import type { BuildEvent, BuildOptions, BuildResult, OnBuildEvent, Store } from "../../engine/index.ts";
import { messageOf } from "../../core/index.ts";
import { LocalBuild } from "../../history/index.ts";

/** Passes events of a build on, and records the build in the store's history. A build does not fail because it cannot be recorded. */
export class RecordedBuild {
  readonly #build: LocalBuild;
  readonly #onEvent: OnBuildEvent;

  constructor(options: Omit<BuildOptions, "store">, onEvent: OnBuildEvent) {
    this.#build = new LocalBuild(options);
    this.#onEvent = onEvent;
  }

  /** The ID that the build must have. */
  get ref(): string {
    return this.#build.ref;
  }

  /** Lists the build as one that runs. `succeeded` or `failed` must follow. */
  async started(store: Store): Promise<void> {
    await this.#record(() => this.#build.start(store));
  }

  event(event: BuildEvent): void {
    this.#build.event(event);
    this.#onEvent(event);
  }

  async succeeded(store: Store, result: BuildResult): Promise<void> {
    await this.#record(async () => await this.#build.succeeded(store, result));
  }

  /** Does nothing if the build has succeeded. */
  async failed(error: unknown): Promise<void> {
    await this.#record(async () => await this.#build.failed(error));
  }

  async #record(step: () => unknown): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#onEvent({ kind: "warning", short: `the build was not recorded: ${messageOf(error)}`, detail: [] });
    }
  }
}

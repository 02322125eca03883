import type { BuildEvent, BuildOptions, BuildResult, OnBuildEvent, Store } from "../../engine/index.ts";
import { messageOf } from "../../core/index.ts";
import { LocalBuild } from "../../history/index.ts";

/** Passes events of a build on, and records the build in the store's history. A build does not fail because it cannot be recorded. */
export class RecordedBuild {
  readonly #build: LocalBuild;
  readonly #onEvent: OnBuildEvent;
  #isRecorded = false;

  constructor(options: Omit<BuildOptions, "store">, onEvent: OnBuildEvent) {
    this.#build = new LocalBuild(options);
    this.#onEvent = onEvent;
  }

  event(event: BuildEvent): void {
    this.#build.event(event);
    this.#onEvent(event);
  }

  async succeeded(store: Store, result: BuildResult): Promise<void> {
    await this.#record(() => this.#build.succeeded(store, result));
  }

  /** Does nothing if the build has succeeded. */
  async failed(store: Store, error: unknown): Promise<void> {
    await this.#record(() => this.#build.failed(store, error));
  }

  async #record(store: () => Promise<unknown>): Promise<void> {
    if (this.#isRecorded) return;
    this.#isRecorded = true;
    try {
      await store();
    } catch (error) {
      this.#onEvent({ kind: "warning", short: `the build was not recorded: ${messageOf(error)}`, detail: [] });
    }
  }
}

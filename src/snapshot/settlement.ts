import { join } from "node:path";
import { toVarveError } from "../core/index.ts";
import { syncfs } from "../linux/index.ts";
import type { Driver } from "./driver.ts";
import type { SnapshotTable } from "./table.ts";

/** Milliseconds from a commit to the sync that covers it and later ones. */
const DELAY = 1000;

export interface SettlementDeps {
  readonly root: string;
  readonly table: SnapshotTable;
  readonly driver: Driver;
  /** Identifies the run of the machine. */
  readonly boot: string;
}

/**
 * Syncs committed snapshots to disk, many with one call. Until then their rows have the id of the machine's run: after a crash of
 * the machine, `SnapshotTable.removeUnsynced` removes them.
 */
export class Settlement {
  readonly #deps: SettlementDeps;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(deps: SettlementDeps) {
    this.#deps = deps;
  }

  /** Schedules a sync. Call it after a commit. An idle process does not wait for it. */
  schedule(): void {
    this.#timer ??= setTimeout(() => void this.#start().catch((error: unknown) => this.#fail(error)), DELAY).unref();
  }

  /**
   * Waits until everything that was committed before the call is on disk.
   * @throws {VarveError} `storage` if the disk failed, also in the background. The snapshots are then removed by the next process.
   */
  async flush(): Promise<void> {
    // A sync that has begun may not cover the latest commits.
    while (this.#running !== undefined) await this.#running.catch((error: unknown) => this.#fail(error));
    await this.#start();
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw toVarveError(failure.error, "sync snapshots", "storage");
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
  }

  async #start(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#running ??= this.#sync().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  async #sync(): Promise<void> {
    const { root, table, boot } = this.#deps;
    const ids = table.unsynced(boot);
    if (ids.length === 0) return;
    const settled = this.#settle(ids);
    try {
      await syncfs(root);
    } catch (error) {
      // The kernel reports a failed write once: a later sync that succeeds would prove nothing.
      table.distrust(ids);
      throw toVarveError(error, "sync snapshots", "storage");
    }
    table.setSynced(ids);
    await settled;
  }

  /** What stays is only space on the disk, which goes with the snapshot. */
  async #settle(ids: readonly number[]): Promise<void> {
    const { root, driver } = this.#deps;
    for (const id of ids) await driver.settle(join(root, String(id))).catch(() => undefined);
  }
}

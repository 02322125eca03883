import type { ContentStore, Lease } from "../../content/index.ts";
import type { Runner } from "../../exec/index.ts";
import type { StepIsolation } from "../../isolation/index.ts";
import type { Networks } from "../../network/index.ts";

/** How steps are run. */
export interface StepOptions {
  /** What keeps steps apart from this machine. Default: `namespaces`. */
  readonly isolation?: StepIsolation | undefined;
  /** The OCI runtime, by its path or name. Default: crun if it is installed, else runc. */
  readonly runtime?: string | undefined;
  /** What steps find in `/etc/resolv.conf`. Default: as on this machine. */
  readonly dns?:
    | {
        readonly servers?: readonly string[] | undefined;
        readonly search?: readonly string[] | undefined;
        readonly options?: readonly string[] | undefined;
      }
    | undefined;
  /** Parent cgroup of steps whose build names none. */
  readonly cgroupParent?: string | undefined;
}

interface Shared {
  readonly lease: Promise<Lease>;
  runner: Promise<Runner> | undefined;
}

/** One build's share in `SharedWork`, until it is disposed of. */
export interface WorkShare extends AsyncDisposable {
  readonly lease: Lease;
  /** Returns the runner of steps, which is created when the first step has to run. */
  readonly runner: () => Promise<Runner>;
}

/**
 * One lease and one runner for all builds of this process in a store. Builds share running work, so what one build creates or runs
 * must outlive it while another build may use it. The first build creates the lease; the last one releases it.
 */
export class SharedWork {
  readonly #content: ContentStore;
  readonly #runDirectory: string;
  readonly #steps: StepOptions;
  readonly #networks: Networks;
  #shared: Shared | undefined;
  #builds = 0;

  constructor(content: ContentStore, runDirectory: string, networks: Networks, steps: StepOptions = {}) {
    this.#steps = steps;
    this.#networks = networks;
    this.#content = content;
    this.#runDirectory = runDirectory;
  }

  /** Adds a build. Its share must be disposed of when the build ends. */
  async enter(): Promise<WorkShare> {
    this.#builds += 1;
    this.#shared ??= { lease: this.#content.lease(), runner: undefined };
    const shared = this.#shared;
    try {
      return {
        lease: await shared.lease,
        runner: () => (shared.runner ??= openRunner(this.#runDirectory, this.#networks, this.#steps)),
        [Symbol.asyncDispose]: () => this.#leave(),
      };
    } catch (error) {
      this.#builds -= 1;
      if (this.#shared === shared) this.#shared = undefined;
      throw error;
    }
  }

  async #leave(): Promise<void> {
    this.#builds -= 1;
    const shared = this.#shared;
    if (this.#builds > 0 || shared === undefined) return;
    this.#shared = undefined;
    await using _lease = await shared.lease;
    await using _runner = await shared.runner?.catch(() => undefined);
  }
}

async function openRunner(
  stateDir: string,
  networks: Networks,
  { isolation, runtime, ...defaults }: StepOptions,
): Promise<Runner> {
  const { createChrootRunner, createRunner, runtimeAt } = await import("../../exec/index.ts");
  if (isolation === "chroot") return await createChrootRunner({ stateDir, defaults });
  const program = runtime === undefined ? {} : { runtime: await runtimeAt(runtime) };
  return await createRunner({ stateDir, defaults, networks, ...program });
}

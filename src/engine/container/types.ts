import type { Platform, VarveError } from "../../core/index.ts";
import type {
  NetworkHost,
  NetworkMode,
  ProcessSpec,
  ProcessStreams,
  SecurityMode,
  StepProcess,
} from "../../exec/index.ts";
import type { Mount, SecretEnv } from "../../llb/index.ts";
import type { Result } from "../ops/result.ts";

/** A container in which a client starts processes. */
export interface ContainerSpec {
  /** As the client names it, for texts. */
  readonly id: string;
  /** What is mounted, as in an exec op, with numbers of `inputs`. What the processes write is discarded. */
  readonly mounts: readonly Mount[];
  readonly inputs: readonly Result[];
  readonly network: NetworkMode;
  /** Empty: as that of a step. */
  readonly hostname: string;
  readonly extraHosts: readonly NetworkHost[];
  /** That of its programs; its operating system says which `PATH` they get by default. Default: this machine's. */
  readonly platform: Platform | undefined;
}

/** A process of a container. */
export interface ContainerProcess extends ProcessStreams {
  readonly process: ProcessSpec;
  readonly security: SecurityMode;
  readonly secretEnv: readonly SecretEnv[];
  /** See `RunSpec`. That of the first process counts. */
  readonly keepStubParents: boolean;
}

/** How a process of a container has ended. An error without `details.exitCode` is that of a process that was never started. */
export type ProcessEnd = { readonly kind: "success" } | { readonly kind: "failure"; readonly error: VarveError };

/** A process that was started. */
export interface StartedProcess extends Pick<StepProcess, "drained" | "signal" | "resize"> {
  /** Settles when the process has ended, perhaps before all its output was read. Never rejects. */
  readonly ended: Promise<ProcessEnd>;
}

/**
 * A container whose filesystems are mounted. The first process that is started is the first process of the container, and the others join
 * it. They end together: when the first process ends, or any process fails, all others are killed, and no further one starts.
 */
export interface Container {
  readonly spec: ContainerSpec;
  /**
   * Starts a process. Never rejects: one that cannot be started has ended with a failure.
   */
  start(process: ContainerProcess): Promise<StartedProcess>;
  /** Returns the directory with the files of a mount; undefined if it has none on the machine, such as a secret. */
  tree(mount: number): string | undefined;
  /**
   * Kills all processes, waits for them, and removes everything. Returns the failure that came first, if a process failed. A process that
   * was running has failed.
   */
  release(): Promise<VarveError | undefined>;
}

import type { ContainerEdits } from "../cdi/index.ts";
import type { Networks, ProxySpec } from "../network/index.ts";
import type { Platform } from "../core/index.ts";
import type { WindowSize } from "../linux/index.ts";
import type { StepUsage } from "./usage/step-usage.ts";

/** The OCI runtimes that Varve can use. */
export type RuntimeName = "crun" | "runc";

export interface Runtime {
  readonly name: RuntimeName;
  /** Absolute path of the executable. */
  readonly path: string;
  /** As printed by the runtime, for example `1.8.1`. */
  readonly version: string;
}

/** The owner of a generated file inside the step. Both default to 0. */
export interface FileOwner {
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

/**
 * A mount in a step, besides its root filesystem. `target` is a path inside the step: absolute, or relative to `/`. It is
 * resolved inside the root filesystem, so no symbolic link of an image leads out of it. Missing targets are created, and
 * removed after the step if they are still empty.
 */
export type RunMount =
  /**
   * A directory, file or socket of the machine, such as another layer or a cache directory. `source` is trusted; `subpath`
   * is resolved inside it.
   */
  | {
      readonly kind: "bind";
      readonly target: string;
      readonly source: string;
      readonly subpath?: string | undefined;
      readonly readonly?: boolean | undefined;
    }
  /** An empty tmpfs. `size` is in bytes and defaults to the kernel's default, half the memory. */
  | { readonly kind: "tmpfs"; readonly target: string; readonly size?: number | undefined }
  /** A file that exists only in memory and only while the step runs. `mode` defaults to 0400. */
  | ({
      readonly kind: "secret";
      readonly target: string;
      readonly content: Uint8Array;
      readonly mode?: number | undefined;
    } & FileOwner)
  /** An agent's listening Unix socket on the machine, made reachable at `target`. `mode` defaults to 0600. */
  | ({
      readonly kind: "ssh";
      readonly target: string;
      readonly socket: string;
      readonly mode?: number | undefined;
    } & FileOwner);

/** The process that a step runs. */
export interface ProcessSpec {
  /** The first is looked up in the step's `PATH` unless it contains a slash. */
  readonly args: readonly string[];
  /** Entries are `NAME=value`. If `HOME` is absent, it is added from the image's passwd file. */
  readonly env: readonly string[];
  /** Resolved inside the root filesystem. If missing, it is created with the step's user as its owner. Empty means `/`. */
  readonly cwd: string;
  /** `name[:group]` or `uid[:gid]`, looked up in the image's `/etc/passwd` and `/etc/group`. Empty means root. */
  readonly user: string;
}

/** Where the standard streams of a process lead. */
export interface ProcessStreams {
  /** Bytes for standard input, which ends with them. They are read as fast as the process reads its input. Default: no bytes. */
  readonly stdin?: AsyncIterable<Uint8Array> | undefined;
  /** The process has a terminal of its own. All that it writes is stream 1, and its input does not end. Default: false. */
  readonly terminal?: boolean | undefined;
  /**
   * Called with each chunk of output: `stream` is 1 for standard output and 2 for standard error. The stream pauses until
   * the returned promise settles. If it rejects, the step ends and `run` rejects with the same error.
   */
  readonly onOutput?: ((stream: 1 | 2, chunk: Uint8Array) => void | Promise<void>) | undefined;
}

/** `default` is the network that the runner's `networks` make, or else that of the machine. */
export type NetworkMode = "default" | "host" | "none";
export type SecurityMode = "sandbox" | "insecure";
export type NetworkHost = { readonly host: string; readonly ip: string };

/** `name` is one that `docker build --ulimit` accepts, for example `nofile`. A limit of -1 means no limit. */
export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

export interface DnsConfig {
  readonly servers?: readonly string[] | undefined;
  readonly search?: readonly string[] | undefined;
  readonly options?: readonly string[] | undefined;
}

/** Limits that a control group enforces. A limit for which the machine has no controller is skipped, with a warning. */
export interface ResourceLimits {
  /** Bytes. */
  readonly memory?: number | undefined;
  /** Bytes of memory and swap together; -1 means no limit. */
  readonly memorySwap?: number | undefined;
  readonly cpuShares?: number | undefined;
  /** Microseconds of processor time in each `cpuPeriod`. */
  readonly cpuQuota?: number | undefined;
  /** Microseconds. */
  readonly cpuPeriod?: number | undefined;
  /** A list of processors, such as `0-2,4`. */
  readonly cpusetCpus?: string | undefined;
  /** A list of memory nodes, such as `0-1`. */
  readonly cpusetMems?: string | undefined;
  /** Maximum number of processes and threads that exist at once. */
  readonly pids?: number | undefined;
}

/** A device node of the machine, created in the step. */
export interface DeviceSpec {
  readonly source: string;
  /** Path inside the step. Defaults to `source`. */
  readonly target?: string | undefined;
  /** Some of `rwm` (read, write, mknod). Defaults to all three. */
  readonly permissions?: string | undefined;
}

/** What steps get that say nothing else. */
export type StepDefaults = Pick<RunSpec, "dns" | "cgroupParent">;

/** One step to run. Relative paths on the machine are resolved at the working directory of this process. */
export interface RunSpec extends ProcessStreams {
  /** Directory where the root filesystem is mounted. The step writes into it. */
  readonly rootfs: string;
  readonly readonlyRootfs?: boolean | undefined;
  readonly mounts?: readonly RunMount[] | undefined;
  readonly process: ProcessSpec;
  /** The platform of its programs, which may need an emulator. Default: that of this machine. */
  readonly platform?: Platform | undefined;
  readonly network?: NetworkMode | undefined;
  /**
   * The step reaches others only by a proxy, which connects from the network that the step would have. It is told in variables such as
   * `HTTP_PROXY`, and the certificates of the root filesystem trust it while the step runs. Nothing for a step without a network.
   */
  readonly proxy?: ProxySpec | undefined;
  readonly security?: SecurityMode | undefined;
  /** Defaults to `buildkitsandbox`, as in BuildKit. */
  readonly hostname?: string | undefined;
  readonly extraHosts?: readonly NetworkHost[] | undefined;
  readonly dns?: DnsConfig | undefined;
  readonly ulimits?: readonly Ulimit[] | undefined;
  /** Size of `/dev/shm` in bytes. Defaults to 64 MiB. */
  readonly shmSize?: number | undefined;
  /** Of a mount point that was created, remove only the last component after the step. Default: all that were created. */
  readonly keepStubParents?: boolean | undefined;
  /** Control group under which the step's own is created; absolute in the hierarchy. Defaults to this process's group. */
  readonly cgroupParent?: string | undefined;
  /** Also mounts a generated `/etc/hostname`, as Docker's classic builder does and BuildKit does not. */
  readonly hostnameFile?: boolean | undefined;
  readonly limits?: ResourceLimits | undefined;
  readonly devices?: readonly DeviceSpec[] | undefined;
  /** What devices of the Container Device Interface change. They are the administrator's, and trusted. */
  readonly edits?: ContainerEdits | undefined;
  /**
   * Called when the step has ended, whatever its exit code, with what it has used. Not called where nobody counts it: without control
   * groups, and by runc with those of version 1, which are gone with the step. Default: nothing is measured.
   */
  readonly onUsage?: ((usage: StepUsage) => void) | undefined;
  /** Called when something requested is not available and was skipped, for example a limit without a controller. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** How a step that started has ended. An exit code other than 0 is a result, not an error. */
export interface RunResult {
  /** 0 to 255; 128 + n if signal n ended the step's first process. */
  readonly exitCode: number;
  /** For example `SIGKILL`, where `exitCode` is 128 + n. A shell reports its last child's signal in the same way. */
  readonly signal?: NodeJS.Signals | undefined;
  /** True if the kernel killed a process of the step because the step reached its memory limit. */
  readonly oomKilled: boolean;
}

/** A process of a step that runs. */
export interface StepProcess {
  /**
   * Settles when the process has ended, perhaps before all its output was read. A process that was killed with its step has the exit
   * code 137. Rejects as `Runner.run` if the process cannot be started.
   */
  readonly exited: Promise<RunResult>;
  /** Settles when all output was passed on; later than `exited` if others still can write. Rejects with the error of `onOutput`. */
  readonly drained: Promise<void>;
  /** Sends a signal to the process, as soon as it runs. Its other processes get none. SIGKILL to the first process ends the step. */
  signal(signal: NodeJS.Signals): void;
  /** Sets the size of the terminal of the process, as soon as there is one. */
  resize(size: WindowSize): void;
}

/** Another process that joins a step. */
export interface JoiningProcess extends ProcessStreams {
  readonly process: ProcessSpec;
  /** The process never gets more rights than the first one of the step. Default: "sandbox". */
  readonly security?: SecurityMode | undefined;
}

/** A step that runs until it is disposed of, or its first process ends: then the kernel kills the others. Nothing is left behind. */
export interface RunningStep extends AsyncDisposable {
  readonly first: StepProcess;
  /**
   * Starts another process in the step, with its root filesystem, its mounts and its limits. The working directory must exist.
   * @throws {VarveError} as `Runner.run`; `not-found` if the step has ended.
   */
  join(process: JoiningProcess): Promise<StepProcess>;
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs steps in root filesystems and leaves nothing behind. When `run` settles, successfully or not, the step's processes,
 * mounts, control groups and files are gone, including the mount points that were created in the root filesystem. The same
 * holds if this process is killed, except for files: the next runner on the state directory removes those.
 */
export interface Runner extends AsyncDisposable {
  /** Undefined for a runner that uses none. */
  readonly runtime: Runtime | undefined;
  /**
   * Runs one process and its descendants. An exit code other than 0 is a result.
   * @throws {VarveError} `cancelled` when aborted; `invalid-build` for a user, group, working directory or mount target that
   * the root filesystem does not allow; `step-failed` if the process cannot be started (`details.exitCode` is 127 for a
   * command that does not exist and 126 for one that cannot be executed); `unsupported` for what the machine lacks, such as an
   * emulator.
   */
  run(spec: RunSpec, options?: RunOptions): Promise<RunResult>;
  /**
   * Starts a step, which other processes can join. The caller disposes of it. Throws as `run`, but problems of the first process itself
   * are those of `exited`.
   */
  start(spec: RunSpec): Promise<RunningStep>;
}

export interface RunnerOptions {
  /** Directory for bundles and runtime state; created if missing. Several processes may share it. */
  readonly stateDir: string;
  /** Defaults to the result of `findRuntime`. */
  readonly runtime?: Runtime | undefined;
  /** For steps that say nothing else. */
  readonly defaults?: StepDefaults | undefined;
  /** Connects steps with the network `default`. The caller disposes of it after the runner. Default: they have the machine's network. */
  readonly networks?: Pick<Networks, "enter" | "enterProxied"> | undefined;
}

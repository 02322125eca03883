/** The OCI runtimes Varve can drive. */
export type RuntimeName = "crun" | "runc";

export interface Runtime {
  readonly name: RuntimeName;
  /** Absolute path of the executable. */
  readonly path: string;
  /** As the runtime prints it, `1.8.1` for example. */
  readonly version: string;
}

/** Who owns a generated file inside the step; 0 unless said. */
export interface FileOwner {
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

/**
 * Something mounted into a step besides its root filesystem. `target` is a path inside the step: absolute, or relative to
 * `/`; it is resolved inside the root filesystem, so that no symbolic link of an image leads out of it. Missing targets
 * are made, and removed after the step if they are still empty.
 */
export type RunMount =
  /** A directory, file or socket of the machine: another layer, a cache directory. `source` is trusted;
   * `subpath` is resolved inside it. */
  | {
      readonly kind: "bind";
      readonly target: string;
      readonly source: string;
      readonly subpath?: string | undefined;
      readonly readonly?: boolean | undefined;
    }
  /** An empty tmpfs; `size` in bytes, the kernel's default (half the memory) if absent. */
  | { readonly kind: "tmpfs"; readonly target: string; readonly size?: number | undefined }
  /** A file that exists in memory only, for the time of the step; mode 0400 unless said. */
  | ({
      readonly kind: "secret";
      readonly target: string;
      readonly content: Uint8Array;
      readonly mode?: number | undefined;
    } & FileOwner)
  /** A listening Unix socket of the machine, reachable at `target`; an agent's. Mode 0600 unless said. */
  | ({
      readonly kind: "ssh";
      readonly target: string;
      readonly socket: string;
      readonly mode?: number | undefined;
    } & FileOwner);

export interface ProcessSpec {
  /** The first is looked up in the step's `PATH` unless it holds a slash. */
  readonly args: readonly string[];
  /** `NAME=value`; `HOME` is added from the image's passwd file where absent. */
  readonly env: readonly string[];
  /** Resolved inside the root filesystem; made, owned by the user of the step, where missing. `/` if empty. */
  readonly cwd: string;
  /** `name[:group]` or `uid[:gid]`, by the image's own `/etc/passwd` and `/etc/group`; root if empty. */
  readonly user: string;
}

export type NetworkMode = "default" | "host" | "none";
export type SecurityMode = "sandbox" | "insecure";
export type NetworkHost = { readonly host: string; readonly ip: string };

/** `name` as `docker build --ulimit` takes it, `nofile` for example; -1 is no limit. */
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

/** Limits a control group enforces. Those for which the machine has no controller are left out, with a warning. */
export interface ResourceLimits {
  /** Bytes. */
  readonly memory?: number | undefined;
  /** Bytes of memory and swap together; -1 is no limit. */
  readonly memorySwap?: number | undefined;
  readonly cpuShares?: number | undefined;
  /** Microseconds in each `cpuPeriod`. */
  readonly cpuQuota?: number | undefined;
  /** Microseconds. */
  readonly cpuPeriod?: number | undefined;
  /** A list such as `0-2,4`. */
  readonly cpusetCpus?: string | undefined;
  readonly cpusetMems?: string | undefined;
  /** Processes and threads at once. */
  readonly pids?: number | undefined;
}

/** A device node of the machine, made in the step under the same path unless `target` says otherwise. */
export interface DeviceSpec {
  readonly source: string;
  readonly target?: string | undefined;
  /** Some of `rwm`; all unless said. */
  readonly permissions?: string | undefined;
}

/** Relative paths of the machine start at the working directory of this process. */
export interface RunSpec {
  /** Directory that holds the root filesystem, mounted. The step writes into it. */
  readonly rootfs: string;
  readonly readonlyRootfs?: boolean | undefined;
  readonly mounts?: readonly RunMount[] | undefined;
  readonly process: ProcessSpec;
  readonly network?: NetworkMode | undefined;
  readonly security?: SecurityMode | undefined;
  /** `buildkitsandbox`, as BuildKit's, unless said. */
  readonly hostname?: string | undefined;
  readonly extraHosts?: readonly NetworkHost[] | undefined;
  readonly dns?: DnsConfig | undefined;
  readonly ulimits?: readonly Ulimit[] | undefined;
  /** Size of `/dev/shm` in bytes; 64 MiB unless said. */
  readonly shmSize?: number | undefined;
  /** A control group, absolute in the hierarchy, under which the step's own is made; this process's own if absent. */
  readonly cgroupParent?: string | undefined;
  /** Also puts a generated `/etc/hostname` in place, as Docker's classic builder does and BuildKit does not. */
  readonly hostnameFile?: boolean | undefined;
  readonly limits?: ResourceLimits | undefined;
  readonly devices?: readonly DeviceSpec[] | undefined;
  /**
   * Called with each piece of output as it comes, 1 for standard output and 2 for standard error. The stream pauses until
   * what it returns settles; a rejection ends the step and is what `run` rejects with.
   */
  readonly onOutput?: ((stream: 1 | 2, chunk: Uint8Array) => void | Promise<void>) | undefined;
  /** Something asked for could not be had and was left out: a limit without a controller for example. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** How a step that started has ended. A status other than 0 is a result, not an error. */
export interface RunResult {
  /** 0 to 255; 128 + n if signal n ended the step's first process. */
  readonly exitCode: number;
  /** `SIGKILL` for example, where `exitCode` is 128 + n. A shell reports its last child's signal in the same way. */
  readonly signal?: NodeJS.Signals | undefined;
  /** True if the kernel killed a process of the step because its memory limit was reached. */
  readonly oomKilled: boolean;
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs one process and its descendants in a root filesystem, and leaves nothing behind: when `run` settles, however it
 * does, every process of the step is gone and so are its mounts, control groups and files, mount points in the root
 * filesystem included. The same holds if this process is killed, but for files, which the next runner sweeps.
 *
 * `run` rejects with `cancelled` when aborted, `invalid-build` for a user, group, working directory or mount target the
 * root filesystem does not allow, `step-failed` if the process could not be started (`details.exitCode` 127 for a command
 * that does not exist, 126 for one that cannot be executed), `unsupported` for what the machine lacks.
 */
export interface Runner extends AsyncDisposable {
  readonly runtime: Runtime;
  run(spec: RunSpec, options?: RunOptions): Promise<RunResult>;
}

export interface RunnerOptions {
  /** Directory for bundles and runtime state; made if missing. Several processes may share it. */
  readonly stateDir: string;
  /** What `findRuntime` finds, unless said. */
  readonly runtime?: Runtime | undefined;
}

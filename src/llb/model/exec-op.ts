/** Runs a command with mounts. The fields are those of BuildKit's `pb.ExecOp`. */
export interface ExecOp {
  readonly kind: "exec";
  readonly meta: ExecMeta;
  readonly mounts: readonly Mount[];
  readonly network: NetMode;
  readonly security: SecurityMode;
  readonly secretEnv: readonly SecretEnv[];
  readonly cdiDevices: readonly CdiDevice[];
}

/** The network of a command: isolated with internet access, that of the host, or none. */
export type NetMode = "default" | "host" | "none";
/** `insecure` runs the command without the sandbox's restrictions. */
export type SecurityMode = "sandbox" | "insecure";

/** The process of a command. */
export interface ExecMeta {
  readonly args: readonly string[];
  /** `NAME=value`, in order. */
  readonly env: readonly string[];
  readonly cwd: string;
  /** `name`, `uid`, `name:group`, `uid:gid`; empty is root. */
  readonly user: string;
  /** Environment variables for proxies. They are never part of a cache key. */
  readonly proxyEnv?: ProxyEnv | undefined;
  readonly extraHosts: readonly HostIp[];
  readonly hostname: string;
  readonly ulimits: readonly Ulimit[];
  readonly cgroupParent: string;
  /** Remove empty directories that were created as mount points, together with their empty parents. */
  readonly removeMountStubsRecursive: boolean;
  /** Exit codes that count as success. Empty: only 0. */
  readonly validExitCodes: readonly number[];
}

/** Proxy settings, passed to the process as environment variables. */
export interface ProxyEnv {
  readonly httpProxy: string;
  readonly httpsProxy: string;
  readonly ftpProxy: string;
  readonly noProxy: string;
  readonly allProxy: string;
}

/** An additional entry of the command's `/etc/hosts`. */
export interface HostIp {
  readonly host: string;
  readonly ip: string;
}

/** A resource limit of the process, for example `nofile`. -1 is unlimited. */
export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** A secret in an environment variable. */
export interface SecretEnv {
  readonly id: string;
  readonly name: string;
  readonly optional: boolean;
}

/** A device of the Container Device Interface. */
export interface CdiDevice {
  readonly name: string;
  readonly optional: boolean;
}

/** A mount of an exec op. */
export type Mount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount;

export interface MountBase {
  /** Number of the input that is mounted; `EMPTY` for an empty directory. */
  readonly input: number;
  /** Path in the input; empty for the whole input. */
  readonly selector: string;
  readonly dest: string;
  /** Number of the op's output that this mount becomes, or `SKIP_OUTPUT`. */
  readonly output: number;
  readonly readonly: boolean;
  readonly resultId: string;
  readonly contentCache: ContentCache;
}

/** Whether the mount's input gets a content key. `default`: if it is safe. */
export type ContentCache = "default" | "on" | "off";

/** An input, or an empty directory. */
export interface BindMount extends MountBase {
  readonly type: "bind";
}

/** A directory that persists between builds. */
export interface CacheMount extends MountBase {
  readonly type: "cache";
  readonly id: string;
  readonly sharing: CacheSharing;
}

/** What a second concurrent user of a cache mount does: use the same directory, get a new one, or wait. */
export type CacheSharing = "shared" | "private" | "locked";

/** A file system in memory. */
export interface TmpfsMount extends MountBase {
  readonly type: "tmpfs";
  /** In bytes; 0 is unlimited. */
  readonly size: number;
}

/** A secret as a file. */
export interface SecretMount extends MountBase {
  readonly type: "secret";
  readonly secret: SecretFile;
}

/** The socket of an SSH agent. */
export interface SshMount extends MountBase {
  readonly type: "ssh";
  readonly ssh: SecretFile;
}

/** The file of a secret, or the socket of an agent. */
export interface SecretFile {
  readonly id: string;
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
  /** True: it is not an error if the client does not have it. */
  readonly optional: boolean;
}

/** The target of the command's root filesystem. */
export const ROOT_MOUNT = "/";

/** Runs a command with mounts. Field names are those of BuildKit's `pb.ExecOp`. */
export interface ExecOp {
  readonly kind: "exec";
  readonly meta: ExecMeta;
  readonly mounts: readonly Mount[];
  readonly network: NetMode;
  readonly security: SecurityMode;
  readonly secretEnv: readonly SecretEnv[];
  readonly cdiDevices: readonly CdiDevice[];
}

export type NetMode = "default" | "host" | "none";
export type SecurityMode = "sandbox" | "insecure";

export interface ExecMeta {
  readonly args: readonly string[];
  /** `NAME=value`, in order. */
  readonly env: readonly string[];
  readonly cwd: string;
  /** `name`, `uid`, `name:group`, `uid:gid`; empty is root. */
  readonly user: string;
  /** Given to the process, never part of a key. */
  readonly proxyEnv?: ProxyEnv | undefined;
  readonly extraHosts: readonly HostIp[];
  readonly hostname: string;
  readonly ulimits: readonly Ulimit[];
  readonly cgroupParent: string;
  readonly removeMountStubsRecursive: boolean;
  /** Empty: only 0. */
  readonly validExitCodes: readonly number[];
}

export interface ProxyEnv {
  readonly httpProxy: string;
  readonly httpsProxy: string;
  readonly ftpProxy: string;
  readonly noProxy: string;
  readonly allProxy: string;
}

export interface HostIp {
  readonly host: string;
  readonly ip: string;
}

export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

export interface SecretEnv {
  readonly id: string;
  readonly name: string;
  readonly optional: boolean;
}

export interface CdiDevice {
  readonly name: string;
  readonly optional: boolean;
}

export type Mount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount;

interface MountBase {
  /** Index of the input mounted, `EMPTY` for an empty directory. */
  readonly input: number;
  /** Path in the input; empty is all of it. */
  readonly selector: string;
  readonly dest: string;
  /** Index of the op's output that this mount becomes, or `SKIP_OUTPUT`. */
  readonly output: number;
  readonly readonly: boolean;
  readonly resultId: string;
  readonly contentCache: ContentCache;
}

/** Whether the mount's content may stand for it in the cache. */
export type ContentCache = "default" | "on" | "off";

export interface BindMount extends MountBase {
  readonly type: "bind";
}

export interface CacheMount extends MountBase {
  readonly type: "cache";
  readonly id: string;
  readonly sharing: CacheSharing;
}

/** `shared`: concurrent writers; `private`: another writer gets a new one; `locked`: another writer waits. */
export type CacheSharing = "shared" | "private" | "locked";

export interface TmpfsMount extends MountBase {
  readonly type: "tmpfs";
  /** Bytes; 0 is no limit. */
  readonly size: number;
}

export interface SecretMount extends MountBase {
  readonly type: "secret";
  readonly secret: SecretFile;
}

export interface SshMount extends MountBase {
  readonly type: "ssh";
  readonly ssh: SecretFile;
}

/** A secret's file, or an agent's socket. */
export interface SecretFile {
  readonly id: string;
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
  /** Absent is no error. */
  readonly optional: boolean;
}

/** Where the root filesystem of the command is mounted. */
export const ROOT_MOUNT = "/";

import { posix } from "node:path";

/** An entry of `mounts` of a runtime configuration: OCI runtime specification, config.md. */
export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface SystemMountOptions {
  readonly insecure: boolean;
  /** Bytes. */
  readonly shmSize: number;
  readonly cgroup: boolean;
  /** The group of terminals; undefined if the user namespace does not have it. */
  readonly terminalGroup: number | undefined;
  /** The machine's /sys is bound, because none can be mounted. */
  readonly bindsSysfs: boolean;
}

/** The group "tty" of every distribution. */
export const TERMINAL_GROUP = 5;

const KERNEL = ["nosuid", "noexec", "nodev"];

/** Returns the mounts of every step: containerd's default set without `/run`, and control groups, as in BuildKit. */
export function systemMounts(options: SystemMountOptions): OciMount[] {
  const { insecure, shmSize, cgroup, terminalGroup, bindsSysfs } = options;
  const access = insecure ? "rw" : "ro";
  const group = terminalGroup === undefined ? [] : [`gid=${terminalGroup}`];
  return [
    { destination: "/proc", type: "proc", source: "proc", options: KERNEL },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", ...group],
    },
    {
      destination: "/dev/shm",
      type: "tmpfs",
      source: "shm",
      options: [...KERNEL, "mode=1777", `size=${shmSize}`],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: KERNEL },
    bindsSysfs
      ? { destination: "/sys", type: "bind", source: "/sys", options: [...KERNEL, "rbind", access] }
      : { destination: "/sys", type: "sysfs", source: "sysfs", options: [...KERNEL, access] },
    ...(cgroup
      ? [{ destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: [...KERNEL, access] }]
      : []),
  ];
}

/** Returns a read-only mount of a generated file. */
export function readonlyFile(source: string, destination: string): OciMount {
  return { destination, type: "bind", source, options: [...KERNEL, "rbind", "ro"] };
}

/** Of several mounts with one destination, keeps the last, at the position of the first: as in BuildKit. */
export function withoutDuplicates(mounts: readonly OciMount[]): OciMount[] {
  const byDestination = new Map<string, OciMount>();
  for (const mount of mounts) byDestination.set(posix.normalize(mount.destination), mount);
  return [...byDestination.values()];
}

/** Paths that Docker hides from a container. */
export const MASKED_PATHS: readonly string[] = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];

/** Paths that Docker makes read-only in a container. */
export const READONLY_PATHS: readonly string[] = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];

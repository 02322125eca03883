import { readFileSync } from "node:fs";
import { release } from "node:os";
import { Errno } from "./errno.ts";
import { systemCall } from "./libc.ts";

const BITS = {
  chown: 0,
  dac_override: 1,
  fowner: 3,
  kill: 5,
  setgid: 6,
  setuid: 7,
  setpcap: 8,
  net_admin: 12,
  sys_chroot: 18,
  sys_admin: 21,
  mknod: 27,
  setfcap: 31,
} as const;

export type Capability = keyof typeof BITS;

/** True if the process has user id 0 in its user namespace; its permissions depend on `hasCapability`. */
export function isRootUser(): boolean {
  return process.geteuid?.() === 0;
}

/** True if the capability is in the process's effective set. */
export function hasCapability(capability: Capability): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return ((BigInt(`0x${effective}`) >> BigInt(BITS[capability])) & 1n) === 1n;
}

export interface KernelFeatures {
  /** "6.18.44". */
  readonly release: string;
  /** Overlayfs is built in or loaded; a mount may still load it. */
  readonly overlay: boolean;
  /** Paths can be resolved in a root (5.6). */
  readonly openat2: boolean;
  /** fsopen and related calls (5.2). */
  readonly newMountApi: boolean;
}

const openat2 = systemCall("openat2", 437, ["int", "void *", "void *", "size_t"]);
const fsopen = systemCall("fsopen", 430, ["void *", "uint"]);

/** Features of the running kernel for this process. A sandbox may disable features that the version has. */
export function kernelFeatures(): KernelFeatures {
  return {
    release: release(),
    overlay: /\toverlay$/m.test(readFileSync("/proc/filesystems", "utf8")),
    // Called with a null pointer: EFAULT or EINVAL from a kernel that knows the call.
    openat2: openat2.attempt(-1, null, null, 0) !== -Errno.ENOSYS,
    newMountApi: fsopen.attempt(null, 0) !== -Errno.ENOSYS,
  };
}

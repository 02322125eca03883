import { readFileSync } from "node:fs";

/** The capabilities that Docker and containerd give to a container by default. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

/** Indexed by bit number: `linux/capability.h`. */
const NAMES =
  `chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service
  net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot
  sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog
  wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore`
    .trim()
    .split(/\s+/)
    .map((name) => `CAP_${name.toUpperCase()}`);

/** Returns every capability that this process can pass on: its own effective set. */
export function ownCapabilities(): string[] {
  const hex = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  const bits = BigInt(`0x${hex}`);
  return NAMES.filter((_, bit) => ((bits >> BigInt(bit)) & 1n) === 1n);
}

/** Returns the default capabilities that this process has itself. It cannot pass on others. */
export function sandboxCapabilities(own: readonly string[] = ownCapabilities()): string[] {
  const have = new Set(own);
  return DEFAULT_CAPABILITIES.filter((name) => have.has(name));
}

/** Returns the numbers of capabilities. */
export function capabilityNumbers(names: readonly string[]): number[] {
  return names.map((name) => NAMES.indexOf(name));
}

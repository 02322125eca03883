import { type Capability, hasCapability } from "../../linux/index.ts";

const NEEDED: readonly Capability[] = [
  "chown",
  "dac_override",
  "fowner",
  "kill",
  "mknod",
  "setgid",
  "setpcap",
  "setuid",
  "sys_chroot",
];

/** Returns the capabilities that this process lacks to run steps in a chroot. */
export function missingForChroot(): Capability[] {
  return NEEDED.filter((name) => !hasCapability(name));
}

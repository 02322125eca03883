import { execFileSync } from "node:child_process";
import { accessSync, chmodSync, constants, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory, type TemporaryDirectory } from "../src/io/index.ts";

const BUSYBOX = "/bin/busybox";

/** Why a root filesystem that runs cannot be made here, for `t.skip`; undefined if it can. */
export function rootfsUnavailable(): string | undefined {
  try {
    accessSync(BUSYBOX, constants.X_OK);
  } catch {
    return `${BUSYBOX} is not installed: apt-get install busybox-static`;
  }
  return undefined;
}

let applets: readonly string[] | undefined;

const PASSWD = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
alice:x:1000:1000:Alice:/home/alice:/bin/sh
`;
const GROUP = `root:x:0:
daemon:x:1:
alice:x:1000:
builders:x:2000:alice,bob
`;

/** Fills an empty directory with busybox and all its applets in /bin, /etc/passwd (root, daemon, alice), /etc/group, /tmp. */
export function fillRootfs(directory: string): void {
  chmodSync(directory, 0o755);
  for (const name of ["bin", "etc", "root", "home", "tmp"]) mkdirSync(join(directory, name), { mode: 0o755 });
  copyFileSync(BUSYBOX, join(directory, "bin/busybox"));
  applets ??= execFileSync(BUSYBOX, ["--list"], { encoding: "utf8" }).split("\n").filter(Boolean);
  for (const name of applets) if (name !== "busybox") symlinkSync("busybox", join(directory, "bin", name));
  mkdirSync(join(directory, "home/alice"), { mode: 0o755 });
  writeFileSync(join(directory, "etc/passwd"), PASSWD);
  writeFileSync(join(directory, "etc/group"), GROUP);
}

/** A directory that a container can have as its root filesystem: `fillRootfs`, without /dev, /proc and /sys. */
export async function busyboxRootfs(): Promise<TemporaryDirectory> {
  const directory = await temporaryDirectory("varve-rootfs-");
  fillRootfs(directory.path);
  return directory;
}

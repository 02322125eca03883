import { Errno, systemError } from "./errno.ts";
import { libcCall, systemCall } from "./libc.ts";
import { cstring, type Path } from "./path.ts";

const chroot = libcCall("chroot", ["void *"]);
const fcntl = libcCall("fcntl", ["int", "int", "long"]);
const execve = libcCall("execve", ["void *", "const char **", "const char **"]);
const closeRange = systemCall("close_range", 436, ["ulong", "ulong", "ulong"]);
const F_SETFD = 2;
const CLOSE_RANGE_CLOEXEC = 4;
const LAST_DESCRIPTOR = 0xffff_ffff;
/** Descriptors that are looked at one by one where the kernel knows no close_range (before 5.11). */
const MOST_DESCRIPTORS = 4096;

/** Makes a directory the root of this process, and its working directory. Needs CAP_SYS_CHROOT. */
export function changeRoot(directory: Path): void {
  process.chdir(String(directory));
  chroot({ path: directory }, cstring("."));
  process.chdir("/");
}

/** A program that this process becomes has the first three descriptors, and no others. Node closes these too, unless told otherwise. */
export function passStandardDescriptors(): void {
  for (const descriptor of [0, 1, 2]) fcntl({}, descriptor, F_SETFD, 0);
  if (closeRange.attempt(3, LAST_DESCRIPTOR, CLOSE_RANGE_CLOEXEC) >= 0) return;
  for (let descriptor = 3; descriptor < MOST_DESCRIPTORS; descriptor += 1) fcntl.attempt(descriptor, F_SETFD, 1);
}

/** Becomes a program: execve(2). Returns only by throwing. */
export function execute(program: string, args: readonly string[], env: readonly string[]): never {
  const failed = execve.attempt(cstring(program), [...args, null], [...env, null]);
  throw systemError(failed < 0 ? -failed : Errno.EIO, "execve", program);
}

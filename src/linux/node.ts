import { NS_PER_SECOND, wholeSeconds } from "../core/index.ts";
import { systemError } from "./errno.ts";
import { libcCall, systemCall } from "./libc.ts";
import { cstring, type Path } from "./path.ts";

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const UTIME_OMIT = 0x3fff_fffe;

const mknodat = systemCall("mknodat", { x64: 259, arm64: 33 }, ["int", "void *", "uint", "uint"]);
const utimensat = libcCall("utimensat", ["int", "void *", "void *", "int"]);

/** A device number as Linux encodes it for user space. */
export function makeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}

/** The numbers in a device number, as found in `Stats.rdev`. */
export function splitDevice(rdev: number | bigint): { major: number; minor: number } {
  const device = BigInt(rdev);
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)),
  };
}

/**
 * Makes a device, a named pipe or a socket. `mode` holds the type (`S_IFCHR`, …) and the permissions, less the umask. Devices
 * need CAP_MKNOD, except for the character device 0:0 that overlayfs takes as a whiteout.
 */
export function mknod(path: Path, mode: number, major: number, minor: number): void {
  const made = mknodat.attempt(AT_FDCWD, cstring(path), mode, makeDevice(major, minor));
  if (made < 0) throw systemError(-made, "mknod", path);
}

/** A time in nanoseconds since 1970 (may be negative), or "omit" to leave it as it is. */
export type Time = bigint | "omit";

/** Sets the times of the file itself (a symbolic link is not followed) to the nanosecond. */
export function lutimes(path: Path, { atime, mtime }: { readonly atime: Time; readonly mtime: Time }): void {
  const times = Buffer.alloc(32);
  writeTime(times, 0, atime);
  writeTime(times, 16, mtime);
  utimensat({ path }, AT_FDCWD, cstring(path), times, AT_SYMLINK_NOFOLLOW);
}

function writeTime(times: Buffer, at: number, time: Time): void {
  if (time === "omit") {
    times.writeBigInt64LE(BigInt(UTIME_OMIT), at + 8);
    return;
  }
  const seconds = wholeSeconds(time);
  times.writeBigInt64LE(seconds, at);
  times.writeBigInt64LE(time - seconds * NS_PER_SECOND, at + 8);
}

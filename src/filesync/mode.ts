import { constants } from "node:fs";

/** The bits of Go's `os.FileMode` besides the permissions. */
export const GoMode = {
  directory: 0x8000_0000,
  symlink: 0x0800_0000,
  device: 0x0400_0000,
  pipe: 0x0200_0000,
  socket: 0x0100_0000,
  setuid: 0x0080_0000,
  setgid: 0x0040_0000,
  /** Set together with `device`. Without it, a device is a block device. */
  charDevice: 0x0020_0000,
  sticky: 0x0010_0000,
  irregular: 0x0008_0000,
} as const;

/** All bits that say what type an entry has. A regular file has none of them. */
const TYPE = 0x8f28_0000;
const PERMISSIONS = 0o777;
const SPECIAL: readonly (readonly [go: number, kernel: number])[] = [
  [GoMode.setuid, 0o4000],
  [GoMode.setgid, 0o2000],
  [GoMode.sticky, 0o1000],
];

/** What an entry is. */
export type EntryKind = "file" | "directory" | "symlink" | "char" | "block" | "fifo";

/** Returns what an entry is. Undefined for a type that trees do not have. */
export function kindOf(mode: number): EntryKind | undefined {
  switch ((mode & TYPE) >>> 0) {
    case 0:
      return "file";
    case GoMode.directory:
      return "directory";
    case GoMode.symlink:
      return "symlink";
    case GoMode.device:
      return "block";
    case GoMode.device + GoMode.charDevice:
      return "char";
    case GoMode.pipe:
      return "fifo";
    default:
      return undefined;
  }
}

/** Returns whether a receiver can request the content of an entry. Both sides must have the same rule. */
export function isRequestable(mode: number): boolean {
  return (mode & TYPE) === 0;
}

/** Returns the permissions with the set-id bits and the sticky bit, as `chmod` takes them. */
export function permissionsOf(mode: number): number {
  return SPECIAL.reduce((bits, [go, kernel]) => bits | ((mode & go) === 0 ? 0 : kernel), mode & PERMISSIONS);
}

const KINDS: ReadonlyMap<number, number> = new Map([
  [constants.S_IFDIR, GoMode.directory],
  [constants.S_IFLNK, GoMode.symlink],
  [constants.S_IFBLK, GoMode.device],
  [constants.S_IFCHR, GoMode.device + GoMode.charDevice],
  [constants.S_IFIFO, GoMode.pipe],
]);

/** Converts the mode that the kernel reports. A socket becomes a regular file, as senders do it. */
export function goModeOf(kernel: number): number {
  const special = SPECIAL.reduce((bits, [go, bit]) => bits | ((kernel & bit) === 0 ? 0 : go), kernel & PERMISSIONS);
  return (special | (KINDS.get(kernel & constants.S_IFMT) ?? 0)) >>> 0;
}

/** Removes bits that Linux cannot store. */
export function storedMode(mode: number): number {
  return (mode & (TYPE | GoMode.setuid | GoMode.setgid | GoMode.sticky | PERMISSIONS)) >>> 0;
}

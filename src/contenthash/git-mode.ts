const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const EXECUTABLE = 0o100;

/** Returns the permission bits that an entry of a context counts with. `mode` is that of the disk, with the type of the entry. */
export type ModeRule = (mode: number) => number;

/**
 * Returns the permission bits that git gives an entry: 0755 for directories and for files that their owner may execute, 0644 for other
 * files. Set-id and sticky bits are dropped. Entries that git does not have, such as devices, keep their bits.
 *
 * @example
 * gitMode(0o100664); // 0o644
 */
export const gitMode: ModeRule = (mode) => {
  const type = mode & S_IFMT;
  if (type === S_IFDIR) return 0o755;
  if (type !== S_IFREG) return mode & 0o7777;
  return (mode & EXECUTABLE) === 0 ? 0o644 : 0o755;
};

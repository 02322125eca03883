/** Trees for tests: random changes to make in one, and a full description to compare. */
import {
  chmodSync,
  constants,
  linkSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import * as fc from "fast-check";
import {
  byteStringOf,
  lgetxattr,
  llistxattr,
  lsetxattr,
  mknod,
  type Path,
  pathOfByteString,
  splitDevice,
} from "../src/linux/index.ts";

/** A file capability (cap_net_raw+ep, version 2) as the kernel stores it. */
export const CAPABILITY: Buffer = Buffer.from("0100000200200000000000000000000000000000", "hex");

export type TreeOp =
  | { readonly op: "write"; readonly path: string; readonly content: string }
  | { readonly op: "mkdir" | "remove" | "fifo" | "device" | "capability" | "xattr"; readonly path: string }
  | { readonly op: "symlink" | "link" | "rename"; readonly path: string; readonly to: string }
  | { readonly op: "chmod"; readonly path: string; readonly mode: number }
  | { readonly op: "chown"; readonly path: string; readonly id: number }
  | { readonly op: "times"; readonly path: string; readonly seconds: number };

const name = fc.constantFrom("a", "b", "c", "c.d", "\xc3\xa9", "\xff");
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));

export const treeOp: fc.Arbitrary<TreeOp> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ op: fc.constant("write"), path, content: fc.string({ maxLength: 20 }) }) },
  { weight: 5, arbitrary: fc.record({ op: fc.constant("mkdir"), path }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant("remove"), path }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constantFrom("symlink", "link", "rename"), path, to: path }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("link"), path, to: path }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom("fifo", "device", "capability", "xattr"), path }) },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant("chmod"), path, mode: fc.constantFrom(0o644, 0o755, 0o4711, 0o1777) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("chown"), path, id: fc.integer({ min: 0, max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("times"), path, seconds: fc.constantFrom(0, 1, 1000.5, -5) }) },
);

/** Makes the change, or leaves the tree as it is where the change is not possible. */
export function perform(root: string, op: TreeOp): void {
  try {
    attempt(root, op);
  } catch (error) {
    if (typeof (error as NodeJS.ErrnoException).code !== "string") throw error;
  }
}

function attempt(root: string, op: TreeOp): void {
  const at = (path: string): Path => pathOfByteString(`${root}/${path}`);
  const target = at(op.path);
  switch (op.op) {
    case "write":
      if (statSync(target, { throwIfNoEntry: false })?.isFIFO() !== true) writeFileSync(target, op.content);
      return;
    case "mkdir":
      return mkdirSync(target);
    case "remove":
      return rmSync(target, { recursive: true });
    case "symlink":
      return symlinkSync(pathOfByteString(op.to), target);
    case "link":
      return linkSync(at(op.to), target);
    case "rename":
      return renameSync(at(op.to), target);
    case "fifo":
      return mknod(target, constants.S_IFIFO | 0o600, 0, 0);
    case "device":
      return mknod(target, constants.S_IFCHR | 0o600, 1, 3);
    case "capability":
      return lsetxattr(target, "security.capability", CAPABILITY);
    case "xattr":
      return lsetxattr(target, "user.test", Buffer.from("value"));
    case "chmod":
      if (!lstatSync(target).isSymbolicLink()) chmodSync(target, op.mode);
      return;
    case "chown":
      return lchownSync(target, op.id, op.id);
    case "times":
      return lutimesSync(target, op.seconds, op.seconds);
  }
}

export interface DescribeOptions {
  /** Directories keep their times. */
  readonly directoryTimes?: boolean;
  /** `user.*` attributes count. */
  readonly userXattrs?: boolean;
}

/** A line for everything in a tree but its root: kind, metadata, content, which names are one file. Times in seconds. */
export function describeTree(root: string, options: DescribeOptions = {}): string[] {
  const firstNames = new Map<string, string>();
  return walk(root, "").map((path) => describe(root, path, firstNames, options));
}

function walk(root: string, directory: string): string[] {
  const names = readdirSync(pathOfByteString(`${root}/${directory}`), { encoding: "latin1" }).sort();
  return names.flatMap((name) => {
    const path = directory === "" ? name : `${directory}/${name}`;
    return lstatSync(pathOfByteString(`${root}/${path}`)).isDirectory() ? [path, ...walk(root, path)] : [path];
  });
}

function describe(root: string, path: string, firstNames: Map<string, string>, options: DescribeOptions): string {
  const full = pathOfByteString(`${byteStringOf(root)}/${path}`);
  const stats = lstatSync(full, { bigint: true });
  const isDirectory = stats.isDirectory();
  const parts = [JSON.stringify(path), Number(stats.mode).toString(8), `${stats.uid}:${stats.gid}`];
  if (!isDirectory || options.directoryTimes === true) parts.push(`time ${floorSeconds(stats.mtimeNs)}`);
  if (stats.isFile()) parts.push(`content ${JSON.stringify(readFileSync(full, "latin1"))}`);
  if (stats.isSymbolicLink()) parts.push(`to ${JSON.stringify(readlinkSync(full, "latin1"))}`);
  const { major, minor } = splitDevice(stats.rdev);
  if (stats.isCharacterDevice() || stats.isBlockDevice()) parts.push(`device ${major}:${minor}`);
  for (const name of llistxattr(full).sort()) {
    if (name !== "security.capability" && !(options.userXattrs === true && name.startsWith("user."))) continue;
    parts.push(`${name}=${lgetxattr(full, name)?.toString("hex")}`);
  }
  const inode = `${stats.dev}:${stats.ino}`;
  const first = firstNames.get(inode);
  if (first !== undefined) parts.push(`is ${JSON.stringify(first)}`);
  else if (!isDirectory && stats.nlink > 1n) firstNames.set(inode, path);
  return parts.join(" ");
}

function floorSeconds(nanoseconds: bigint): bigint {
  const rest = ((nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return (nanoseconds - rest) / 1_000_000_000n;
}

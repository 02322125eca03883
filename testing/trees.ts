/** Trees for tests: random changes to make in one, and a full description to compare. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  ftruncateSync,
  linkSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import * as fc from "fast-check";
import {
  byteStringOf,
  lgetxattr,
  llistxattr,
  lsetxattr,
  lutimes,
  mknod,
  type Path,
  pathOfByteString,
  splitDevice,
} from "../src/linux/index.ts";

/** A file capability (cap_net_raw+ep, version 2) as the kernel stores it. */
export const CAPABILITY: Buffer = Buffer.from("0100000200200000000000000000000000000000", "hex");

/** One change of a tree by real operations. Paths are byte strings. */
export type TreeOp =
  | { readonly op: "write" | "append"; readonly path: string; readonly content: string }
  /** A file that is one hole but for a byte, or nothing but a hole. */
  | { readonly op: "hole"; readonly path: string; readonly size: number; readonly place: number }
  | { readonly op: "mkdir" | "remove" | "fifo" | "capability" | "xattr"; readonly path: string }
  | { readonly op: "device"; readonly path: string; readonly type: "char" | "block"; readonly minor: number }
  | { readonly op: "symlink" | "link" | "rename"; readonly path: string; readonly to: string }
  /** Whatever is there makes way for something of another type; for a directory, an opaque one. */
  | { readonly op: "replace"; readonly path: string; readonly by: "directory" | "file" | "symlink" }
  | { readonly op: "chmod"; readonly path: string; readonly mode: number }
  | { readonly op: "chown"; readonly path: string; readonly id: number }
  | { readonly op: "times"; readonly path: string; readonly seconds: number };

/** Few plain names, so that operations meet; and such as need care: not ASCII, not UTF-8, of two lines, long, the longest. */
const plain = fc.constantFrom("a", "b", "c", "c.d");
const odd = fc.constantFrom("\xc3\xa9", "\xff", "new\nline", " ", "\\x41", "n".repeat(101), `${"m".repeat(254)}\xff`);
const name = fc.oneof({ weight: 4, arbitrary: plain }, { weight: 1, arbitrary: odd });
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const target = fc.oneof(path, fc.constantFrom("/nonexistent/x", "../../nonexistent", ".", `${"l".repeat(250)}/x`));

/** Octal fields of a header end at 2^21 for owners and 2^33 for times, and know no fraction and nothing before 1970. */
const IDS = [0, 1, 1000, 2_097_151, 2_097_152, 4_294_967_294];
const TIMES = [0, 1, 1000.5, -5, -1.75, 2 ** 31, 2 ** 33 - 1, 2 ** 33, 2 ** 33 + 0.5];
const MODES = [0, 0o644, 0o755, 0o4711, 0o2755, 0o6755, 0o1777, 0o7777];

const records = {
  write: fc.record({ op: fc.constantFrom("write", "append"), path, content: fc.string({ maxLength: 20 }) }),
  hole: fc.record({
    op: fc.constant("hole"),
    path,
    size: fc.constantFrom(1, 5000, 70_000),
    place: fc.constantFrom(-1, 0, 4096, 69_999),
  }),
  replace: fc.record({ op: fc.constant("replace"), path, by: fc.constantFrom("directory", "file", "symlink") }),
  device: fc.record({
    op: fc.constant("device"),
    path,
    type: fc.constantFrom("char", "block"),
    minor: fc.constantFrom(0, 255, 0xf_ffff),
  }),
  chmod: fc.record({ op: fc.constant("chmod"), path, mode: fc.constantFrom(...MODES) }),
  chown: fc.record({ op: fc.constant("chown"), path, id: fc.constantFrom(...IDS) }),
  times: fc.record({ op: fc.constant("times"), path, seconds: fc.constantFrom(...TIMES) }),
} satisfies Readonly<Record<string, fc.Arbitrary<TreeOp>>>;

const treeOp: fc.Arbitrary<TreeOp> = fc.oneof(
  { weight: 5, arbitrary: records.write },
  { weight: 1, arbitrary: records.hole },
  { weight: 5, arbitrary: fc.record({ op: fc.constant("mkdir"), path }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant("remove"), path }) },
  { weight: 2, arbitrary: records.replace },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("rename"), path, to: path }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("symlink"), path, to: target }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant("link"), path, to: path }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom("fifo", "capability", "xattr"), path }) },
  { weight: 1, arbitrary: records.device },
  { weight: 1, arbitrary: records.chmod },
  { weight: 1, arbitrary: records.chown },
  { weight: 2, arbitrary: records.times },
);

/** So many changes and fewer. */
export function treeOps(most: number): fc.Arbitrary<TreeOp[]> {
  return fc.array(treeOp, { maxLength: most, size: "max" });
}

/** How often a property is tried: so often, or as many times that as `VARVE_TEST_RUNS` says. */
export function runs(usual: number): number {
  return Math.ceil(usual * Number(process.env["VARVE_TEST_RUNS"] ?? 1));
}

/** Makes the change, or leaves the tree as it is where the change is not possible. */
export function perform(root: string, op: TreeOp): void {
  try {
    attempt(root, op);
  } catch (error) {
    if (typeof (error as NodeJS.ErrnoException).code !== "string") throw error;
  }
}

/** What makes something makes the directories above it. */
const MAKING = new Set<TreeOp["op"]>(["write", "hole", "mkdir", "symlink", "link", "rename", "fifo", "device"]);

function attempt(root: string, op: TreeOp): void {
  const at = (path: string): Path => pathOfByteString(`${root}/${path}`);
  const target = at(op.path);
  if (MAKING.has(op.op)) mkdirSync(at(parentOf(op.path)), { recursive: true });
  switch (op.op) {
    case "write":
    case "append":
      return writeInto(target, op.op === "write" ? "w" : "a", (fd) => void writeSync(fd, op.content));
    case "hole":
      return writeInto(target, "w", (fd) => {
        if (op.place >= 0) writeSync(fd, "x", op.place);
        ftruncateSync(fd, op.size);
      });
    case "replace":
      rmSync(target, { recursive: true });
      if (op.by === "directory") mkdirSync(target);
      else if (op.by === "file") writeFileSync(target, "replaced");
      else symlinkSync("a", target);
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
      // Of no driver: nothing happens to who opens it.
      return mknod(target, (op.type === "char" ? constants.S_IFCHR : constants.S_IFBLK) | 0o600, 0xfff, op.minor);
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
      return setTime(target, BigInt(op.seconds * 1e3) * 1_000_000n);
  }
}

function setTime(target: Path, time: bigint): void {
  lutimes(target, { atime: time, mtime: time });
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** Files only: a pipe would wait, and a device is the machine's. */
function writeInto(target: Path, flags: "w" | "a", write: (fd: number) => void): void {
  const stats = statSync(target, { throwIfNoEntry: false });
  if (stats !== undefined && !stats.isFile()) return;
  const fd = openSync(target, flags);
  try {
    write(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes directories, one in the other, deeper than a path that the kernel takes, as a step can. */
export function makeDeepTree(root: string): void {
  const program = `for (let at = 0; at < 40; at += 1) { fs.mkdirSync("${"n".repeat(200)}"); process.chdir("${"n".repeat(200)}"); }`;
  execFileSync(process.execPath, ["-e", `${program} fs.writeFileSync("file", "deep");`], { cwd: root });
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
  return treePaths(root).map((path) => describe(root, path, firstNames, options));
}

/**
 * An overlay copies a file before something is done to it, and parts it from its other names, also if nothing of what a layer
 * tells changes then. True if that has happened in an upper directory.
 */
export function hasUnchangedCopies(lower: string, upper: string): boolean {
  return treePaths(upper).some((path) => {
    const [was, is] = [statsOf(lower, path), statsOf(upper, path)];
    if (was === undefined || is === undefined || is.isDirectory() || was.nlink === 1n) return false;
    return (["mode", "uid", "gid", "rdev", "size", "mtimeNs"] as const).every((key) => was[key] === is[key]);
  });
}

function statsOf(root: string, path: string): BigIntStats | undefined {
  try {
    return lstatSync(pathOfByteString(`${byteStringOf(root)}/${path}`), { bigint: true });
  } catch {
    return undefined;
  }
}

/** The paths of everything in a tree, a directory before what is in it. */
export function treePaths(root: string, directory = ""): string[] {
  const names = readdirSync(pathOfByteString(`${byteStringOf(root)}/${directory}`), { encoding: "latin1" }).sort();
  return names.flatMap((name) => {
    const path = directory === "" ? name : `${directory}/${name}`;
    const isDirectory = lstatSync(pathOfByteString(`${byteStringOf(root)}/${path}`)).isDirectory();
    return isDirectory ? [path, ...treePaths(root, path)] : [path];
  });
}

function describe(root: string, path: string, firstNames: Map<string, string>, options: DescribeOptions): string {
  const full = pathOfByteString(`${byteStringOf(root)}/${path}`);
  const stats = lstatSync(full, { bigint: true });
  const isDirectory = stats.isDirectory();
  const parts = [JSON.stringify(path), Number(stats.mode).toString(8), `${stats.uid}:${stats.gid}`];
  if (!isDirectory || options.directoryTimes === true) parts.push(`time ${floorSeconds(stats.mtimeNs)}`);
  if (stats.isFile()) parts.push(`content ${contentOf(full)}`);
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

function contentOf(file: Path): string {
  const content = readFileSync(file);
  if (content.length <= 200) return JSON.stringify(content.toString("latin1"));
  return `${content.length} bytes ${createHash("sha256").update(content).digest("hex")}`;
}

function floorSeconds(nanoseconds: bigint): bigint {
  const rest = ((nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return (nanoseconds - rest) / 1_000_000_000n;
}

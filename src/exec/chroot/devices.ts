import { chmodSync, closeSync, constants, mkdirSync, openSync, symlinkSync } from "node:fs";
import { VarveError, errnoOf } from "../../core/index.ts";
import { type Path, joinPath, mknod } from "../../linux/index.ts";
import type { StandIn } from "./stand-ins.ts";

/** The devices of every container: OCI runtime specification, config-linux.md, without those of terminals. */
const NODES: readonly (readonly [name: string, major: number, minor: number])[] = [
  ["null", 1, 3],
  ["zero", 1, 5],
  ["full", 1, 7],
  ["random", 1, 8],
  ["urandom", 1, 9],
  ["tty", 5, 0],
];
/** They lead to /proc, which a step has only if the image brings it: opening them fails, and makes no file. */
const LINKS: readonly (readonly [name: string, to: string])[] = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
];
const HINT = "Keep the store on a volume that allows devices, and give the container the capability MKNOD.";

/** The directory /dev of a step. */
export const DEVICES: StandIn = {
  target: "/dev",
  kind: "directory",
  mode: 0o755,
  uid: 0,
  gid: 0,
  content: { kind: "filled", fill: fillDevices },
};

function fillDevices(directory: Path): void {
  try {
    for (const [name, major, minor] of NODES) makeNode(joinPath(directory, name), major, minor);
    // A filesystem may keep a node that nobody can open.
    closeSync(openSync(joinPath(directory, "null"), constants.O_RDWR));
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== "EPERM" && errno !== "EACCES") throw error;
    throw new VarveError("unsupported", "Cannot run steps in a chroot: no device nodes can be made", {
      cause: error,
      hint: HINT,
    });
  }
  for (const [name, to] of LINKS) symlinkSync(to, joinPath(directory, name));
  const shared = joinPath(directory, "shm");
  mkdirSync(shared);
  chmodSync(shared, 0o1777);
}

function makeNode(path: Path, major: number, minor: number): void {
  mknod(path, constants.S_IFCHR | 0o666, major, minor);
  chmodSync(path, 0o666);
}

import { closeSync, openSync } from "node:fs";
import { statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ownIdMaps, reflink } from "../linux/index.ts";
import { overlayWorks } from "../snapshot/index.ts";
import { type Fact, limited, missing, ok } from "./fact.ts";
import { refusedPath } from "./root.ts";
import type { ProbeDirectory } from "./probe-directory.ts";

/** Names of common filesystems by their numbers: `f_type` of statfs(2). */
const FILESYSTEMS: ReadonlyMap<number, string> = new Map([
  [0xef53, "ext4"],
  [0x5846_5342, "xfs"],
  [0x9123_683e, "btrfs"],
  [0x2fc1_2fc1, "zfs"],
  [0xca45_1a4e, "bcachefs"],
  [0xf2f5_2010, "f2fs"],
  [0x0102_1994, "tmpfs"],
  [0x794c_7630, "overlayfs"],
  [0x6573_5546, "fuse"],
  [0x0102_1997, "9p"],
  [0x6969, "nfs"],
  [0xff53_4d42, "cifs"],
  [0xfe53_4d42, "smb"],
]);

/** Network filesystems: locks and shared memory of one machine are not visible on another. */
const REMOTE = new Set(["nfs", "cifs", "smb", "9p"]);

/** Bytes. One large base image and its layers may need more than this. */
const LOW_SPACE = 2_000_000_000;

/** Reports what the filesystem of the root offers. */
export async function diskFacts(root: string, probe: ProbeDirectory): Promise<Fact[]> {
  const { type, bavail, bsize, files, ffree } = await statfs(probe.path);
  const filesystem = FILESYSTEMS.get(type) ?? `type 0x${type.toString(16)}`;
  const rootState = rootFact(root, filesystem, probe);
  // Some filesystems do not count inodes.
  const space = spaceFact(bavail * bsize, files === 0 ? Infinity : ffree);
  if (probe.state === "refused") return [rootState, space];
  // A full disk has no space for the files of the test.
  const reflinks = space.state === "missing" ? [] : [await reflinkFact(probe)];
  return [rootState, space, overlayFact(probe), ...reflinks];
}

function rootFact(root: string, filesystem: string, { state, path, reason }: ProbeDirectory): Fact {
  const refused = state === "refused" ? { path, reason } : refusedPath(root);
  if (refused !== undefined)
    return missing("root", root, {
      consequence: `${refused.path} cannot be written to (${refused.reason})`,
      fix: NO_SPACE.has(refused.reason ?? "") ? "varve prune --all" : "export VARVE_ROOT=/path/to/a/writable/directory",
    });
  const value = `${root} (${filesystem})`;
  if (!REMOTE.has(filesystem)) return ok("root", value, true);
  return limited("root", value, {
    consequence: "database locks do not work between machines: only one machine may use this root",
    fix: "export VARVE_ROOT=/path/on/a/local/disk",
  });
}

/** A filesystem with less free space than this counts as full: the files of a single step may not fit. */
const FULL = { bytes: 1_048_576, inodes: 64 };
const NO_SPACE = new Set(["ENOSPC", "EDQUOT"]);

function spaceFact(bytes: number, inodes: number): Fact {
  const value = bytes < 1e8 ? `${(bytes / 1e6).toFixed(1)} MB free` : `${(bytes / 1e9).toFixed(1)} GB free`;
  const fix = "varve prune --all";
  if (bytes < FULL.bytes) return missing("disk", value, { consequence: "the disk is full: builds fail", fix });
  if (inodes < FULL.inodes)
    return missing("disk", `${inodes} inodes free`, {
      consequence: "no inodes are left for new files: builds fail",
      fix,
    });
  if (bytes >= LOW_SPACE) return ok("disk", value);
  return limited("disk", value, { consequence: "a large build may fill the disk", fix: "varve prune" });
}

function overlayFact({ path }: ProbeDirectory): Fact {
  if (overlayWorks(path)) return ok("overlayfs", ownIdMaps() === undefined ? "yes" : "yes, with user attributes");
  return limited("overlayfs", "no", {
    consequence: "each layer is stored as a complete copy of the filesystem, which takes more time and space",
  });
}

async function reflinkFact({ path }: ProbeDirectory): Promise<Fact> {
  const [from, to] = [join(path, "from"), join(path, "to")];
  await writeFile(from, "shared");
  await writeFile(to, "");
  if (clones(from, to)) return ok("reflink", "yes");
  return limited("reflink", "no", {
    consequence: "COPY writes the data of files again; btrfs and xfs would share it",
  });
}

function clones(from: string, to: string): boolean {
  using stack = new DisposableStack();
  const open = (path: string, flags: string): number => stack.adopt(openSync(path, flags), closeSync);
  try {
    return reflink(open(from, "r"), open(to, "r+"));
  } catch {
    return false;
  }
}

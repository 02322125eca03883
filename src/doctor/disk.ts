import { closeSync, openSync } from "node:fs";
import { statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { reflink } from "../linux/index.ts";
import { overlayWorks } from "../snapshot/index.ts";
import { type Fact, limited, missing, ok } from "./fact.ts";
import { refusedPath } from "./root.ts";
import type { ProbeDirectory } from "./probe-directory.ts";

/** statfs(2)'s numbers of the filesystems one meets. */
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

/** Where a lock or a shared memory map of one machine is not seen by another. */
const REMOTE = new Set(["nfs", "cifs", "smb", "9p"]);

/** Fewer bytes than this are soon gone: one large base image. */
const LITTLE = 2_000_000_000;

/** What the filesystem of the root offers. */
export async function diskFacts(root: string, probe: ProbeDirectory): Promise<Fact[]> {
  const { type, bavail, bsize, files, ffree } = await statfs(probe.path);
  const filesystem = FILESYSTEMS.get(type) ?? `type 0x${type.toString(16)}`;
  const rootState = rootFact(root, filesystem, probe);
  // Some filesystems do not count inodes.
  const space = spaceFact(bavail * bsize, files === 0 ? Infinity : ffree);
  if (probe.state === "refused") return [rootState, space];
  // On a full disk there is nothing to try it with.
  const reflinks = space.state === "missing" ? [] : [await reflinkFact(probe)];
  return [rootState, space, overlayFact(probe), ...reflinks];
}

function rootFact(root: string, filesystem: string, { state, path, reason }: ProbeDirectory): Fact {
  const refused = state === "refused" ? { path, reason } : refusedPath(root);
  if (refused !== undefined)
    return missing("root", root, {
      consequence: `${refused.path} cannot be written to (${refused.reason})`,
      mend: NO_SPACE.has(refused.reason ?? "") ? "varve prune --all" : "varve --root DIR …",
    });
  const value = `${root} (${filesystem})`;
  if (!REMOTE.has(filesystem)) return ok("root", value, true);
  return limited("root", value, {
    consequence: "the database's locks are not safe here: use the root from one machine only",
    mend: "varve --root DIR … on a local disk",
  });
}

/** Less than this is full: not even a step's own files may fit. */
const FULL = { bytes: 1_048_576, inodes: 64 };
const NO_SPACE = new Set(["ENOSPC", "EDQUOT"]);

function spaceFact(bytes: number, inodes: number): Fact {
  const value = bytes < 1e8 ? `${(bytes / 1e6).toFixed(1)} MB free` : `${(bytes / 1e9).toFixed(1)} GB free`;
  const mend = "varve prune --all, or free space there by other means";
  if (bytes < FULL.bytes) return missing("disk", value, { consequence: "the disk is full: builds fail", mend });
  if (inodes < FULL.inodes)
    return missing("disk", `${inodes} inodes free`, { consequence: "no more files fit: builds fail", mend });
  if (bytes >= LITTLE) return ok("disk", value);
  return limited("disk", value, { consequence: "builds may fill the disk", mend: "varve prune" });
}

function overlayFact({ path }: ProbeDirectory): Fact {
  if (overlayWorks(path)) return ok("overlayfs", "yes");
  return limited("overlayfs", "no", { consequence: "layers are kept as whole copies, which takes time and space" });
}

async function reflinkFact({ path }: ProbeDirectory): Promise<Fact> {
  const [from, to] = [join(path, "from"), join(path, "to")];
  await writeFile(from, "shared");
  await writeFile(to, "");
  if (clones(from, to)) return ok("reflink", "yes");
  return limited("reflink", "no", {
    consequence: "COPY writes files anew; on btrfs or xfs it would share their blocks",
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

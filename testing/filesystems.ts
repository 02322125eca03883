import { execFileSync } from "node:child_process";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import type { TestContext } from "node:test";
import { temporaryDirectory } from "../src/io/index.ts";
import { byteStringOf, unmount } from "../src/linux/index.ts";
import { needsRoot } from "./overlays.ts";
import { needsPeers } from "./peers.ts";

/** Filesystems whose files can share blocks, and others whose files cannot. */
export type Filesystem = "btrfs" | "xfs" | "ext4" | "tmpfs";

const MAKE: Readonly<Record<Exclude<Filesystem, "tmpfs">, readonly string[]>> = {
  btrfs: ["mkfs.btrfs", "--quiet"],
  xfs: ["mkfs.xfs", "-q", "-m", "reflink=1"],
  ext4: ["mkfs.ext4", "-q", "-F"],
};
/** mkfs.xfs makes none that are smaller. Bytes; what is not written is a hole. */
const SIZE = 320 * 1_048_576;

/**
 * Mounts a new filesystem of this type, out of a file or of memory, until the test ends; skips the test where that is not
 * possible. `size` is in bytes.
 */
export async function mountedFilesystem(
  t: TestContext,
  type: Filesystem,
  size: number = SIZE,
): Promise<string | undefined> {
  if (!needsRoot(t)) return undefined;
  const stack = new AsyncDisposableStack();
  t.after(() => stack.disposeAsync());
  const directory = stack.use(await temporaryDirectory(`varve-${type}-`));
  const [image, target] = [`${directory.path}/image`, `${directory.path}/mounted`];
  mkdirSync(target);
  const source = type === "tmpfs" ? [`size=${size}`, "varve-test"] : ["loop", image];
  if (type !== "tmpfs") {
    const [program = "", ...options] = MAKE[type];
    if (!needsPeers(t, program, "filefrag")) return undefined;
    writeFileSync(image, "");
    truncateSync(image, size);
    execFileSync(program, [...options, image], { stdio: "pipe" });
  }
  try {
    execFileSync("mount", ["-t", type, "-o", ...source, target], { stdio: "pipe" });
  } catch (error) {
    t.skip(`cannot mount ${type}: ${(error as { stderr?: Buffer }).stderr?.toString().trim()}`);
    return undefined;
  }
  stack.defer(() => unmount(target, { detach: true }));
  return target;
}

/** True if all blocks of a file are shared with another one. */
export function sharesBlocks(file: string): boolean {
  const listed = execFileSync("filefrag", ["-s", "-v", byteStringOf(file)], { encoding: "utf8" });
  const extents = listed.split("\n").filter((line) => /^ *\d+:/.test(line));
  if (extents.length === 0) throw new Error(`no extents in ${listed}`);
  return extents.every((line) => line.includes("shared"));
}

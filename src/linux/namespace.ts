import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { systemError } from "./errno.ts";
import { libcCall } from "./libc.ts";
import { mount, MountFlag } from "./mount.ts";

const unshare = libcCall("unshare", ["int"]);
const CLONE_NEWNS = 0x2_0000;

/** The result of `unshareMounts`. */
export type UnshareResult =
  /** This thread, every thread of libuv's pool and every child see mounts that end with the process. */
  | { readonly state: "private" }
  /** CAP_SYS_ADMIN or kernel support is missing. Mounts are visible to the machine. */
  | { readonly state: "denied"; readonly reason: string }
  /** libuv's pool was running already and cannot follow. Nothing was changed. */
  | { readonly state: "too-late"; readonly threads: readonly number[] };

let result: UnshareResult | undefined;
let original: string | undefined;

/**
 * Gives the process a mount namespace of its own, to which mounts of the host still come and from which none go back: even a
 * kill leaves no mount behind. Call it on the main thread before anything asynchronous touches a file.
 */
export function unshareMounts(): UnshareResult {
  original ??= mountNamespace();
  result = result?.state === "private" ? result : tryUnshare();
  return result;
}

/** Returns the mount namespace that the process had before `unshareMounts`, such as `mnt:[4026531841]`. */
export function originalMountNamespace(): string | undefined {
  return original ?? mountNamespace();
}

/** True if the mounts of this process end with it. */
export function hasPrivateMounts(): boolean {
  return result?.state === "private";
}

function tryUnshare(): UnshareResult {
  const threads = poolThreads();
  if (threads.length > 0) return { state: "too-late", threads };
  const left = unshare.attempt(CLONE_NEWNS);
  if (left < 0) return { state: "denied", reason: systemError(-left, "unshare").message };
  try {
    mount({ source: "none", target: "/", flags: MountFlag.recursive | MountFlag.slave });
  } catch (error) {
    // In a chroot, "/" may be no mount of its own. Mounts then go back to the host.
    return { state: "denied", reason: String(error) };
  }
  const strays = poolThreads().filter((thread) => mountNamespace(thread) !== mountNamespace());
  return strays.length === 0 ? { state: "private" } : { state: "too-late", threads: strays };
}

/** The identity of the mount namespace of this process, or of one of its threads: "mnt:[4026531841]". */
function mountNamespace(thread: number = process.pid): string | undefined {
  try {
    return readlinkSync(`/proc/self/task/${thread}/ns/mnt`);
  } catch {
    // The thread has ended.
    return undefined;
  }
}

function poolThreads(): number[] {
  return readdirSync("/proc/self/task")
    .map(Number)
    .filter((thread) => threadName(thread) === "libuv-worker");
}

function threadName(thread: number): string | undefined {
  try {
    return readFileSync(`/proc/self/task/${thread}/comm`, "utf8").trim();
  } catch {
    return undefined;
  }
}

import { libcCall, systemCall } from "./libc.ts";

const prctl = systemCall("prctl", { x64: 157, arm64: 167 }, ["ulong", "ulong", "ulong", "ulong", "ulong"]);
const capset = systemCall("capset", { x64: 126, arm64: 91 }, ["void *", "void *"]);
const prlimit = systemCall("prlimit64", { x64: 302, arm64: 261 }, ["long", "ulong", "void *", "void *"]);
const signal = libcCall("signal", ["int", "long"], "long");

/** `linux/prctl.h`. */
const PR_SET_PDEATHSIG = 1;
const PR_CAPBSET_READ = 23;
const PR_CAPBSET_DROP = 24;
const PR_SET_CHILD_SUBREAPER = 36;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;
/** `_LINUX_CAPABILITY_VERSION_3` of `linux/capability.h`. */
const CAPABILITY_VERSION = 0x2008_0522;
const MAX_CAPABILITY = 63;
const SIGKILL = 9;
const SIG_DFL = 0;
/** Indexed by number: `asm-generic/resource.h`. */
const RESOURCES = "cpu fsize data stack core rss nproc nofile memlock as locks sigpending msgqueue nice rtprio rttime"
  .split(" ")
  .map((name, number) => [name, number] as const);
const RESOURCE_NUMBERS: ReadonlyMap<string, number> = new Map(RESOURCES);
/** RLIM_INFINITY. */
const UNLIMITED = 0xffff_ffff_ffff_ffffn;

/** Makes this process the parent of all its descendants whose own parent has ended. */
export function becomeSubreaper(): void {
  prctl({}, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

/** Asks the kernel to kill this process when its parent's thread ends. A change of the user takes the request back. */
export function dieWithParent(): void {
  prctl({}, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

/** Programs that this thread executes gain no privileges from now on, neither by set-user-id nor by file capabilities. */
export function forbidNewPrivileges(): void {
  prctl({}, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/** Takes all capabilities but those with the given numbers from what this thread, and what it executes, can ever have. Needs CAP_SETPCAP. */
export function limitBoundingSet(keep: ReadonlySet<number>): void {
  for (let number = 0; number <= MAX_CAPABILITY; number += 1) {
    // EINVAL: the kernel has no more.
    if (prctl.attempt(PR_CAPBSET_READ, number, 0, 0, 0) < 0) break;
    if (!keep.has(number)) prctl({}, PR_CAPBSET_DROP, number, 0, 0, 0);
  }
  prctl.attempt(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

/** Sets the effective and permitted capabilities of this thread, and empties the inheritable ones. */
export function setCapabilities(keep: ReadonlySet<number>): void {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(CAPABILITY_VERSION, 0);
  let mask = 0n;
  for (const number of keep) mask |= 1n << BigInt(number);
  const data = Buffer.alloc(24);
  for (const [offset, half] of [
    [0, mask & 0xffff_ffffn],
    [12, mask >> 32n],
  ] as const) {
    data.writeUInt32LE(Number(half), offset);
    data.writeUInt32LE(Number(half), offset + 4);
  }
  capset({}, header, data);
}

/** A limit of a process. -1 means none. */
export interface ProcessLimit {
  /** As of `ulimit` in Docker: `nofile`. */
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** Sets a limit of this process; throws EPERM for more than it may have. */
export function setProcessLimit({ name, soft, hard }: ProcessLimit): void {
  const number = RESOURCE_NUMBERS.get(name);
  if (number === undefined) throw new Error(`no limit ${name}`);
  const value = Buffer.alloc(16);
  value.writeBigUInt64LE(soft < 0 ? UNLIMITED : BigInt(soft), 0);
  value.writeBigUInt64LE(hard < 0 ? UNLIMITED : BigInt(hard), 8);
  prlimit({}, 0, number, value, null);
}

/** Gives a signal its default action again. Node ignores SIGPIPE, and programs that it executes would too. */
export function resetSignal(number: number): void {
  signal.attempt(number, SIG_DFL);
}

import { fchownSync, lchownSync } from "node:fs";
import { VarveError, errnoOf } from "../core/index.ts";
import { type IdMaps, type IdRange, hasId, ownIdMaps } from "./id-maps.ts";
import type { Path } from "./path.ts";

/** A numeric owner. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Sets the owner of a file, and of a link itself.
 * @throws {VarveError} `unsupported` for an id that this process's user namespace does not have. Other errors are those of lchown(2).
 */
export function setOwner(file: Path, uid: number, gid: number): void {
  explained({ uid, gid }, () => lchownSync(file, uid, gid));
}

/** As `setOwner`, for an open file. */
export function setOpenOwner(fd: number, uid: number, gid: number): void {
  explained({ uid, gid }, () => fchownSync(fd, uid, gid));
}

/** Returns an owner that this process's user namespace has: 0 in the place of an id that it lacks. */
export function representableOwner({ uid, gid }: Owner): Owner {
  const maps = ownIdMaps();
  if (maps === undefined) return { uid, gid };
  return { uid: hasId(maps.users, uid) ? uid : 0, gid: hasId(maps.groups, gid) ? gid : 0 };
}

function explained(owner: Owner, change: () => void): void {
  try {
    change();
  } catch (error) {
    throw unmappedOwner(error, owner) ?? error;
  }
}

/** The kernel calls an id that the user namespace does not have an invalid argument. Undefined for other errors. */
export function unmappedOwner(
  error: unknown,
  { uid, gid }: Owner,
  maps: IdMaps | undefined = ownIdMaps(),
): VarveError | undefined {
  if (maps === undefined || errnoOf(error) !== "EINVAL") return undefined;
  if (!hasId(maps.users, uid)) return unmapped("user", uid, maps.users, error);
  return hasId(maps.groups, gid) ? undefined : unmapped("group", gid, maps.groups, error);
}

function unmapped(kind: "user" | "group", id: number, ranges: readonly IdRange[], cause: unknown): VarveError {
  const last = Math.max(...ranges.map(({ inside, count }) => inside + count - 1));
  const why = `the user namespace has the ${kind} ids 0 to ${last}`;
  return new VarveError("unsupported", `Cannot give a file to ${kind} id ${id}: ${why}`, {
    cause,
    hint: last === 0 ? SINGLE : moreIds(kind, id - last),
  });
}

const SINGLE = "A namespace with a single id keeps no owners. Leave out --isolation=userns-single, or run as root.";

function moreIds(kind: "user" | "group", count: number): string {
  const [file, flag] = kind === "user" ? ["/etc/subuid", "--add-subuids"] : ["/etc/subgid", "--add-subgids"];
  return `Add at least ${count} ids to ${file} (sudo usermod ${flag} FIRST-LAST NAME) and use a new root, or run as root.`;
}

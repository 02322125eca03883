import { closeSync, constants, fstatSync } from "node:fs";
import { errnoOf, VarveError } from "../../core/index.ts";
import { readAt } from "../../io/index.ts";
import type { Root } from "../../linux/index.ts";

/** The numeric user and groups of a step. */
export interface StepUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups; the first is `gid`. */
  readonly groups: readonly number[];
  /** The home directory in the image's passwd file, or `/`. */
  readonly home: string;
}

export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** Bytes. BuildKit's limit. */
const MAX_FILE = 10 * 1024 * 1024;
/** (uid_t) -1 means "no change" to the kernel. */
const MAX_ID = 4_294_967_294;
const NUMBER = /^[0-9]{1,10}$/;

/** Returns the entries of a passwd(5) file. Malformed lines are skipped. */
export function parsePasswd(text: string): PasswdEntry[] {
  return lines(text).flatMap((fields) => {
    const [name = "", , uid, gid, , home = ""] = fields;
    const ids = [parseId(uid), parseId(gid)] as const;
    if (name === "" || ids[0] === undefined || ids[1] === undefined) return [];
    return [{ name, uid: ids[0], gid: ids[1], home }];
  });
}

/** Returns the entries of a group(5) file. Malformed lines are skipped. */
export function parseGroup(text: string): GroupEntry[] {
  return lines(text).flatMap((fields) => {
    const [name = "", , number, members = ""] = fields;
    const gid = parseId(number);
    if (name === "" || gid === undefined) return [];
    return [{ name, gid, members: members.split(",").filter((member) => member !== "") }];
  });
}

function lines(text: string): string[][] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) => line.split(":"));
}

function parseId(text: string | undefined): number | undefined {
  if (text === undefined || !NUMBER.test(text)) return undefined;
  const id = Number(text);
  return id <= MAX_ID ? id : undefined;
}

/**
 * Resolves `name[:group]` or `uid[:gid]` as BuildKit does. A number is an id even if the files do not contain it. A name must
 * be in the files. A user without a group gets its primary and supplementary groups
 * from the files. An empty `user` is the user 0.
 * @throws {VarveError} `invalid-build` for an unknown name, an id that is too large, or a malformed `user`.
 */
export function resolveUser(
  user: string,
  passwd: () => readonly PasswdEntry[],
  group: () => readonly GroupEntry[],
): StepUser {
  const [userPart = "", groupPart = "", ...more] = user.split(":");
  if (more.length > 0) throw refusal(user, "expected user[:group]");
  const entry = findUser(user, userPart === "" ? "0" : userPart, passwd());
  if (groupPart !== "") {
    const gid = findGroup(user, groupPart, group);
    return { uid: entry.uid, gid, groups: [gid], home: entry.home };
  }
  const supplementary = entry.name === "" ? [] : group().filter((item) => item.members.includes(entry.name));
  const groups = new Set([entry.gid, ...supplementary.map((item) => item.gid)]);
  return { uid: entry.uid, gid: entry.gid, groups: [...groups], home: entry.home };
}

function findUser(user: string, part: string, entries: readonly PasswdEntry[]): PasswdEntry {
  const numeric = NUMBER.test(part);
  const uid = parseId(part);
  const found = entries.find((entry) => (numeric ? entry.uid === uid : entry.name === part));
  if (found !== undefined) return { ...found, home: homeOf(found.home) };
  if (part === "root") return { name: "", uid: 0, gid: 0, home: "/" };
  if (uid !== undefined) return { name: "", uid, gid: 0, home: "/" };
  throw refusal(user, numeric ? `its id is greater than ${MAX_ID}` : `/etc/passwd has no user ${JSON.stringify(part)}`);
}

function findGroup(user: string, part: string, entries: () => readonly GroupEntry[]): number {
  if (part === "root") return 0;
  if (NUMBER.test(part)) {
    const gid = parseId(part);
    if (gid === undefined) throw refusal(user, `its group id is greater than ${MAX_ID}`);
    return gid;
  }
  const found = entries().find((entry) => entry.name === part);
  if (found === undefined) throw refusal(user, `/etc/group has no group ${JSON.stringify(part)}`);
  return found.gid;
}

function homeOf(home: string): string {
  return home.startsWith("/") && !home.includes("\0") ? home : "/";
}

function refusal(user: string, why: string): VarveError {
  return new VarveError("invalid-build", `Cannot run as user ${JSON.stringify(user.slice(0, 300))}: ${why}`);
}

/**
 * Resolves a user by the files of a root filesystem, as `resolveUser` does. Each file is read only if needed and may be missing.
 * @throws {VarveError} `limit-exceeded` for a file of more than 10 MiB; else as `resolveUser`.
 */
export function userIn(root: Root, user: string): StepUser {
  return resolveUser(
    user,
    () => parsePasswd(readUserFile(root, "/etc/passwd")),
    () => parseGroup(readUserFile(root, "/etc/group")),
  );
}

function readUserFile(root: Root, path: string): string {
  let fd: number;
  try {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer.
    fd = root.openFile(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR" || errno === "ELOOP" || errno === "ENXIO") return "";
    throw error;
  }
  try {
    const status = fstatSync(fd);
    if (!status.isFile()) throw new VarveError("invalid-build", `Cannot read ${path} of the image: not a regular file`);
    if (status.size > MAX_FILE)
      throw new VarveError("limit-exceeded", `Cannot read ${path} of the image: larger than ${MAX_FILE} bytes`);
    return readAt(fd, 0, status.size).toString();
  } finally {
    closeSync(fd);
  }
}

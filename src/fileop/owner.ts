import { closeSync, constants, fstatSync, readSync } from "node:fs";
import { VarveError, errnoOf } from "../core/index.ts";
import { Root } from "../linux/index.ts";
import type { Chown, UserRef } from "../llb/index.ts";

/** The largest `/etc/passwd` or `/etc/group` that is read, in bytes. */
const MAX_FILE = 1_048_576;
const MAX_ID = 0xffff_fffe;

/** The numeric owner of a file. */
export interface UserId {
  readonly uid: number;
  readonly gid: number;
}

/** Returns the path of an input's tree, or undefined for an empty tree. */
export type TreeOf = (input: number) => Promise<string | undefined>;

/**
 * Returns the numeric owner. An owner without a group gets the user's primary group if the user is a name, and the group with
 * the user's number otherwise. A name that the tree's files do not contain is root, as in BuildKit.
 * @throws {VarveError} `invalid-build` for a name to look up in an empty tree, `invalid-argument` for an id out of range.
 */
export async function resolveOwner(owner: Chown | undefined, treeOf: TreeOf): Promise<UserId | undefined> {
  if (owner === undefined) return undefined;
  const user = owner.user === undefined ? { uid: 0, gid: 0 } : await resolveUser(owner.user, treeOf);
  if (owner.group === undefined) return user;
  return { uid: user.uid, gid: await resolveGroup(owner.group, user.gid, treeOf) };
}

async function resolveUser(ref: UserRef, treeOf: TreeOf): Promise<UserId> {
  if (ref.kind === "id") return { uid: checkId(ref.id), gid: checkId(ref.id) };
  const fields = await lookUp(ref, "/etc/passwd", treeOf);
  return fields === undefined ? { uid: 0, gid: 0 } : { uid: idField(fields[2]), gid: idField(fields[3]) };
}

async function resolveGroup(ref: UserRef, fallback: number, treeOf: TreeOf): Promise<number> {
  if (ref.kind === "id") return checkId(ref.id);
  const fields = await lookUp(ref, "/etc/group", treeOf);
  return fields === undefined ? fallback : idField(fields[2]);
}

/** Returns the fields of the first line whose first field is the name. */
async function lookUp(
  { name, input }: UserRef & { kind: "name" },
  file: string,
  treeOf: TreeOf,
): Promise<string[] | undefined> {
  const tree = await treeOf(input);
  if (tree === undefined) {
    throw new VarveError("invalid-build", `Cannot look up owner ${name}: there is no ${file} in an empty tree`, {
      hint: "Use a numeric user or group id.",
    });
  }
  const text = readInTree(tree, file);
  const lines = text?.split("\n").map((line) => line.trim().split(":"));
  return lines?.find((fields) => fields[0] === name);
}

function readInTree(tree: string, file: string): string | undefined {
  using root = Root.open(tree);
  let fd: number;
  try {
    fd = root.openFile(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new VarveError("invalid-build", `Cannot read ${file}: it is not a regular file`);
    if (stat.size > MAX_FILE) {
      throw new VarveError("limit-exceeded", `Cannot read ${file}: it is larger than ${MAX_FILE} bytes`);
    }
    const content = Buffer.alloc(stat.size);
    return content.toString("utf8", 0, readSync(fd, content));
  } finally {
    closeSync(fd);
  }
}

/** Parses an id as libcontainer does: text that is not a number is 0. */
function idField(field: string | undefined): number {
  return field !== undefined && /^\d+$/.test(field) ? checkId(Number(field)) : 0;
}

function checkId(id: number): number {
  if (Number.isInteger(id) && id >= 0 && id <= MAX_ID) return id;
  throw new VarveError("invalid-argument", `Cannot use owner ${id}: it is not between 0 and ${MAX_ID}`);
}

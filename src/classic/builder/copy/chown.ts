import { closeSync, constants, fstatSync, readFileSync } from "node:fs";
import { VarveError, errnoOf } from "../../../core/index.ts";
import { Root } from "../../../linux/index.ts";
import type { Owner } from "./copy-tree.ts";
import { stepError } from "../failure.ts";

/** The largest `/etc/passwd` or `/etc/group` that is read, in bytes. */
const MAX_FILE = 1_048_576;
const MAX_ID = 0x7fff_ffff;

/**
 * Resolves `--chown` by the tree's own passwd and group files. Numbers are used as they are. A single name is looked up in both
 * files. For an unknown name, throws the daemon's error.
 */
export function ownerOf(text: string, tree: string): Owner {
  const parts = text.split(":");
  const [user = "", group = user] = parts;
  try {
    if (parts.length > 2) throw stepError(`invalid chown string format: ${text}`);
    return { uid: userId(user, tree), gid: groupId(group, tree) };
  } catch (error) {
    if (!(error instanceof VarveError)) throw error;
    throw stepError(`unable to convert uid/gid chown string to host mapping: ${error.message}`, error);
  }
}

function userId(name: string, tree: string): number {
  const id = numberOf(name) ?? numberOf(fieldsOf("/etc/passwd", name, tree, "user")?.[2] ?? "");
  if (id === undefined) throw stepError(`can't find uid for user ${name}: no such user: ${name}`);
  return id;
}

function groupId(name: string, tree: string): number {
  const id = numberOf(name) ?? numberOf(fieldsOf("/etc/group", name, tree, "group")?.[2] ?? "");
  if (id === undefined) throw stepError(`can't find gid for group ${name}: no such group: ${name}`);
  return id;
}

function numberOf(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) && Number(text) <= MAX_ID ? Number(text) : undefined;
}

function fieldsOf(file: string, name: string, tree: string, what: "user" | "group"): readonly string[] | undefined {
  using root = Root.open(tree);
  const id = what === "user" ? "uid" : "gid";
  let fd: number;
  try {
    fd = root.openFile(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTDIR") throw error;
    throw stepError(`can't find ${id} for ${what} ${name}: open ${file}: no such file or directory`, error);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size > MAX_FILE)
      throw stepError(
        `can't find ${id} for ${what} ${name}: ${file} is not a regular file of at most ${MAX_FILE} bytes`,
      );
    const lines = readFileSync(fd, "utf8").split("\n");
    return lines.map((line) => line.trim().split(":")).find((fields) => fields[0] === name);
  } finally {
    closeSync(fd);
  }
}

import { once } from "node:events";
import { chmod, chown, lstat, mkdtemp, readFile, rename, rm, unlink } from "node:fs/promises";
import { type Server, connect } from "node:net";
import { dirname, join } from "node:path";
import { VarveError, errnoOf, toVarveError } from "../../core/index.ts";
import { ownIdMaps, tryLock } from "../../linux/index.ts";
import { listen } from "./listen.ts";

/** Who may use a unix socket, besides root. */
export type SocketAccess =
  | { readonly kind: "owner" }
  /** Only the owner if the group does not exist or cannot be set. */
  | { readonly kind: "group"; readonly name: string }
  /** The user and the group with these ids; by default those of this process. It is an error if they cannot be set. */
  | { readonly kind: "ids"; readonly uid?: number | undefined; readonly gid?: number | undefined };

const DOCKER: SocketAccess = { kind: "group", name: "docker" };

/**
 * Listens on a unix socket, which by default its owner and the group `docker` may use. Creates the socket in a private directory, sets its mode, and then renames it to `path`. Replaces a socket
 * on which no server listens.
 *
 * @throws {VarveError} `busy` if a server listens on the socket, `already-exists` if `path` is not a socket.
 */
export async function listenUnix(
  server: Server,
  path: string,
  access: SocketAccess = DOCKER,
): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  try {
    const lock = tryLock(`${path}.lock`);
    if (lock === undefined) throw inUse(path);
    stack.use(lock);
    await checkFree(path);
    const made = await bind(server, path, access);
    stack.defer(() => removeOwn(path, made));
  } catch (error) {
    throw toVarveError(error, `listen on ${path}`, "invalid-argument");
  }
  return stack.move();
}

interface Made {
  readonly ino: number;
  readonly dev: number;
}

async function bind(server: Server, path: string, access: SocketAccess): Promise<Made> {
  const own = await mkdtemp(join(dirname(path), ".s-"));
  try {
    const made = join(own, "s");
    await listen(server, { path: made });
    await permit(made, access);
    const { ino, dev } = await lstat(made);
    await rename(made, path);
    return { ino, dev };
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

function inUse(path: string): VarveError {
  return new VarveError("busy", `Cannot listen on ${path}: another server listens there`);
}

async function checkFree(path: string): Promise<void> {
  try {
    if (!(await lstat(path)).isSocket())
      throw new VarveError("already-exists", `Cannot listen on ${path}: the file exists and is not a socket`);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw error;
  }
  if (await answers(path)) throw inUse(path);
}

/** Tests whether a server listens on a socket. Only ECONNREFUSED means that none does. */
async function answers(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return true;
  } catch (error) {
    return errnoOf(error) !== "ECONNREFUSED";
  } finally {
    socket.destroy();
  }
}

async function permit(path: string, access: SocketAccess): Promise<void> {
  switch (access.kind) {
    case "owner":
      return await chmod(path, 0o600);
    case "ids":
      await chown(path, access.uid ?? -1, access.gid ?? -1);
      return await chmod(path, 0o660);
    case "group":
      return await permitGroup(path, await groupId(access.name));
  }
}

async function permitGroup(path: string, gid: number | undefined): Promise<void> {
  try {
    // A group of the machine is another one, or none, in a user namespace.
    if (gid === undefined || ownIdMaps() !== undefined) return await chmod(path, 0o600);
    await chown(path, -1, gid);
    await chmod(path, 0o660);
  } catch (error) {
    if (errnoOf(error) !== "EPERM") throw error;
    await chmod(path, 0o600);
  }
}

/** Returns the id of a group of this machine; undefined if there is none of that name. */
export async function groupId(name: string): Promise<number | undefined> {
  try {
    const lines = (await readFile("/etc/group", "utf8")).split("\n").map((line) => line.split(":"));
    const id = lines.find(([group]) => group === name)?.[2];
    return id === undefined || !/^\d+$/.test(id) ? undefined : Number(id);
  } catch {
    return undefined;
  }
}

/** Removes the socket, unless another server has replaced it. */
async function removeOwn(path: string, { ino, dev }: Made): Promise<void> {
  try {
    const there = await lstat(path);
    if (there.ino === ino && there.dev === dev) await unlink(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

import { once } from "node:events";
import { chmod, chown, lstat, mkdtemp, readFile, rename, rm, unlink } from "node:fs/promises";
import { type Server, connect } from "node:net";
import { dirname, join } from "node:path";
import { VarveError, errnoOf, toVarveError } from "../../core/index.ts";
import { tryLock } from "../../linux/index.ts";
import { listen } from "./listen.ts";

const GROUP = "docker";

/**
 * Listens on a unix socket that its owner and a group may use, by default `docker`, or only its owner if the group is undefined, does
 * not exist or cannot be set. Creates the socket in a private directory, sets its mode, and then renames it to `path`. Replaces a socket
 * on which no server listens.
 *
 * @throws {VarveError} `busy` if a server listens on the socket, `already-exists` if `path` is not a socket.
 */
export async function listenUnix(
  server: Server,
  path: string,
  { group }: { readonly group: string | undefined } = { group: GROUP },
): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  try {
    const lock = tryLock(`${path}.lock`);
    if (lock === undefined) throw inUse(path);
    stack.use(lock);
    await checkFree(path);
    const made = await bind(server, path, group);
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

async function bind(server: Server, path: string, group: string | undefined): Promise<Made> {
  const own = await mkdtemp(join(dirname(path), ".s-"));
  try {
    const made = join(own, "s");
    await listen(server, { path: made });
    await permit(made, group);
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

async function permit(path: string, group: string | undefined): Promise<void> {
  const gid = group === undefined ? undefined : await groupId(group);
  try {
    if (gid === undefined) return await chmod(path, 0o600);
    await chown(path, -1, gid);
    await chmod(path, 0o660);
  } catch (error) {
    if (errnoOf(error) !== "EPERM") throw error;
    await chmod(path, 0o600);
  }
}

async function groupId(name: string): Promise<number | undefined> {
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

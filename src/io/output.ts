import { lstat } from "node:fs/promises";
import { resolve } from "node:path";
import { createReadStream, type Stats } from "node:fs";
import { errnoOf } from "../core/index.ts";
import { StagedFile } from "./atomic-file.ts";
import { type Bytes, bytesOf } from "./bytes.ts";
import { pour, writeThrough } from "./sink.ts";

/** Permission bits that a file keeps when it is replaced. */
const MODE_BITS = 0o777;

/** Errors of a directory in which no file can be created. Existing files in it may still be writable. */
const CLOSED = new Set(["EACCES", "EPERM", "EROFS"]);

/**
 * Writes to a path that a user names. A regular file is replaced atomically and keeps its owner and mode; a new file appears
 * complete. Everything else is written in place: a device, a named pipe, a socket, a symbolic link (also a dangling one), the standard
 * streams by their names below /dev and /proc/self/fd, and a file that cannot be replaced because it is a mount point or its directory is
 * read-only.
 *
 * @throws The system's errors, as Node reports them.
 */
export async function writeOutput(
  path: string,
  data: Uint8Array | string | Bytes,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const bytes = typeof data === "string" || data instanceof Uint8Array ? bytesOf(data) : data;
  const stream = standardStream(path);
  if (stream !== undefined) return await pour(bytes, stream, signal);
  const there = await statOf(path);
  if (there !== undefined && !there.isFile()) return await writeThrough(path, bytes, signal);
  await replace({ path, there, bytes, signal });
}

/** Uses the descriptor itself: opening its name again fails for a socket, and truncates a file that others append to. */
function standardStream(path: string): NodeJS.WritableStream | undefined {
  switch (/^\/(?:dev|proc\/self)\/(?:std(out|err)|fd\/([12]))$/.exec(resolve(path))?.slice(1).join("")) {
    case "out":
    case "1":
      return process.stdout;
    case "err":
    case "2":
      return process.stderr;
    default:
      return undefined;
  }
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

interface Replacement {
  readonly path: string;
  readonly there: Stats | undefined;
  readonly bytes: Bytes;
  readonly signal: AbortSignal | undefined;
}

async function replace({ path, there, bytes, signal }: Replacement): Promise<void> {
  const mode = there === undefined ? 0o644 : there.mode & MODE_BITS;
  await using staged = await stagedFor(path, mode, there);
  if (staged === undefined) return await writeThrough(path, bytes, signal);
  await staged.write(bytes);
  if (there !== undefined) await staged.allow({ mode, uid: there.uid, gid: there.gid });
  try {
    await staged.replace(path);
  } catch (error) {
    if (errnoOf(error) !== "EBUSY" || there === undefined) throw error;
    await writeThrough(path, createReadStream(staged.path), signal);
  }
}

async function stagedFor(path: string, mode: number, there: Stats | undefined): Promise<StagedFile | undefined> {
  try {
    return await StagedFile.beside(path, mode);
  } catch (error) {
    if (there !== undefined && CLOSED.has(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}

import { closeSync, constants, fstatSync, readdirSync } from "node:fs";
import { compareBytes, errnoOf } from "../../../core/index.ts";
import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import { readAt } from "../../../io/index.ts";
import { Root } from "../../../linux/index.ts";
import { matchGlob } from "../../../pattern/index.ts";
import type { ReadDirRequest, ReadFileRequest, StatFileRequest } from "../proto/gen/gateway_pb.ts";
import { type StatMessage, statMessage } from "./file-stat.ts";
import type { ForwardedBuild } from "./forwarded-build.ts";

/** Maximum bytes of a file that a client reads in one call. A message has at most 16 MiB. */
const MAX_READ = 15 * 1_048_576;

/** Returns a file of a result, or a part of it. */
export async function readFile(
  build: ForwardedBuild,
  request: ReadFileRequest,
): Promise<{ readonly data: Uint8Array }> {
  using root = await open(build, request.ref, request.filePath);
  return { data: fileIn(root, request) };
}

/** Returns the entries of a directory of a result, sorted by name. */
export async function readDirectory(
  build: ForwardedBuild,
  request: ReadDirRequest,
): Promise<{ readonly entries: StatMessage[] }> {
  using root = await open(build, request.ref, request.dirPath);
  return { entries: entriesIn(root, request) };
}

/** Returns what is known of one entry of a result. A link that is the path's last element is followed. */
export async function statFile(
  build: ForwardedBuild,
  { ref, path }: StatFileRequest,
): Promise<{ readonly stat: StatMessage }> {
  using root = await open(build, ref, path);
  return { stat: statIn(root, path) };
}

/** Returns a file, or a part of it. Links are resolved inside the root. */
export function fileIn(root: Root, { filePath, range }: Pick<ReadFileRequest, "filePath" | "range">): Uint8Array {
  const fd = named("open", filePath, () => root.openFile(filePath, constants.O_RDONLY | constants.O_NONBLOCK));
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw unknown(`${filePath} is not a regular file`);
    const offset = Math.min(Number(range?.offset ?? 0n), stat.size);
    const length = range === undefined ? stat.size - offset : Math.min(Number(range.length), stat.size - offset);
    if (length > MAX_READ)
      throw new GrpcError(GrpcCode.resourceExhausted, `${filePath} is larger than ${MAX_READ} bytes: read it in parts`);
    return readAt(fd, Math.max(offset, 0), Math.max(length, 0));
  } finally {
    closeSync(fd);
  }
}

/** Returns the entries of a directory, sorted by name. */
export function entriesIn(
  root: Root,
  { dirPath, includePattern }: Pick<ReadDirRequest, "dirPath" | "includePattern">,
): StatMessage[] {
  using directory = named("lstat", dirPath, () => root.open(dirPath));
  const names = named("open", dirPath, () => readdirSync(`${directory.path}/.`));
  const wanted = includePattern === "" ? names : names.filter((name) => matchGlob(includePattern, name));
  return wanted.sort(compareBytes).map((name) => statMessage(`${directory.path}/${name}`, name));
}

/** Returns what is known of one entry. A link that is the path's last element is followed. */
export function statIn(root: Root, path: string): StatMessage {
  using entry = named("lstat", path, () => root.open(path));
  const resolved = String(root.resolve(path, { follow: true }));
  return statMessage(entry.path, resolved.split("/").findLast((part) => part !== "") ?? ".", true);
}

/** Opens the files of a result. A result without a filesystem has none. */
async function open({ refs }: ForwardedBuild, ref: string, path: string): Promise<Root> {
  if (ref === "") throw unknown(`open ${path}: no such file or directory`);
  return Root.open(await refs.get(ref).directory());
}

const TEXTS: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "no such file or directory"],
  ["ENOTDIR", "not a directory"],
  ["ELOOP", "too many levels of symbolic links"],
  ["EACCES", "permission denied"],
]);

/** Runs a file operation. Its error has the text of Go, with the path that the client asked for. */
function named<T>(operation: string, path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const text = TEXTS.get(errnoOf(error) ?? "");
    if (text === undefined) throw error;
    throw unknown(`${operation} ${path}: ${text}`);
  }
}

function unknown(text: string): GrpcError {
  return new GrpcError(GrpcCode.unknown, text);
}

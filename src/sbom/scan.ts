import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { errnoOf, isVarveError, throwIfAborted } from "../core/index.ts";
import { DirectoryTree, type Stat, isRegularFile } from "../filesync/index.ts";
import { readAt } from "../io/index.ts";
import { type Path, Root, pathOfByteString, showPath } from "../linux/index.ts";
import { APK } from "./apk.ts";
import { DPKG } from "./dpkg.ts";
import { goModules } from "./go.ts";
import { NPM } from "./npm.ts";
import { OS_RELEASE_PATHS, readOsRelease } from "./os-release.ts";
import type { Cataloger, Distribution, FoundPackage } from "./package.ts";
import { PYTHON } from "./python.ts";

/** A file that says which packages are installed. */
export interface Evidence {
  /** Relative, with slashes. */
  readonly path: string;
  /** Hexadecimal. */
  readonly sha1: string;
  readonly sha256: string;
  readonly packages: readonly FoundPackage[];
}

/** What a tree contains. */
export interface Scan {
  readonly distribution: Distribution;
  /** In the order of their paths. */
  readonly files: readonly Evidence[];
}

const CATALOGERS: readonly Cataloger[] = [DPKG, APK, NPM, PYTHON];
/** The permissions of a program. */
const EXECUTABLE = 0o111;
/** No program of Go is smaller. */
const MIN_PROGRAM = 256 * 1024;
const CHUNK = 1024 * 1024;
/** Entries after which other work of the process gets its turn. */
const PAUSE = 500;
const OPEN = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | constants.O_NOFOLLOW;

/**
 * Finds the packages in a tree: those of dpkg, apk, npm, Python and Go. Files that cannot be read or understood are left out.
 *
 * @throws {VarveError} `cancelled` after an abort.
 */
export async function scanTree(path: Path, { signal }: { readonly signal?: AbortSignal | undefined }): Promise<Scan> {
  using root = Root.open(path);
  using tree = new DirectoryTree(path);
  const distribution = distributionOf(root);
  const files: Evidence[] = [];
  let count = 0;
  for (const stat of tree.entries()) {
    count += 1;
    if (count % PAUSE === 0) await setImmediate();
    throwIfAborted(signal, "scan for packages");
    const found = isRegularFile(stat) ? evidenceOf(root, stat, distribution) : undefined;
    if (found !== undefined && found.packages.length > 0) files.push(found);
  }
  return { distribution, files };
}

function distributionOf(root: Root): Distribution {
  for (const path of OS_RELEASE_PATHS) {
    const text = withFile(root, Buffer.from(path).toString("latin1"), (fd) => readInside(fd, 0, CHUNK).toString());
    if (text !== undefined) return readOsRelease(text);
  }
  return { id: "", version: "" };
}

function evidenceOf(root: Root, { path, mode, size }: Stat, distribution: Distribution): Evidence | undefined {
  const shown = showPath(pathOfByteString(path));
  const cataloger = CATALOGERS.find((each) => each.matches(shown));
  const isProgram = (mode & EXECUTABLE) !== 0 && Number(size) >= MIN_PROGRAM;
  if (cataloger === undefined && !isProgram) return undefined;
  return withFile(root, path, (fd) => {
    const packages =
      cataloger === undefined
        ? goModules((at, length) => readInside(fd, at, length))
        : read(fd, cataloger, distribution);
    return packages.length === 0 ? undefined : { path: shown, ...hashesOf(fd), packages };
  });
}

function read(fd: number, { limit, read: parse }: Cataloger, distribution: Distribution): readonly FoundPackage[] {
  const { size } = fstatSync(fd);
  if (size > limit) return [];
  try {
    return parse(readInside(fd, 0, size), distribution);
  } catch (error) {
    if (isVarveError(error)) return [];
    throw error;
  }
}

/** Runs `use` with an open regular file of the tree; undefined if there is none. */
function withFile<T>(root: Root, path: string, use: (fd: number) => T): T | undefined {
  let fd: number;
  try {
    fd = root.openFile(pathOfByteString(path), OPEN);
  } catch (error) {
    if (errnoOf(error) === undefined && !isVarveError(error)) throw error;
    return undefined;
  }
  try {
    return fstatSync(fd).isFile() ? use(fd) : undefined;
  } finally {
    closeSync(fd);
  }
}

function readInside(fd: number, offset: number, length: number): Buffer {
  return readAt(fd, offset, Math.max(0, Math.min(length, fstatSync(fd).size - offset)));
}

function hashesOf(fd: number): Pick<Evidence, "sha1" | "sha256"> {
  const [sha1, sha256] = [createHash("sha1"), createHash("sha256")];
  const { size } = fstatSync(fd);
  for (let at = 0; at < size; at += CHUNK) {
    const chunk = readInside(fd, at, CHUNK);
    sha1.update(chunk);
    sha256.update(chunk);
  }
  return { sha1: sha1.digest("hex"), sha256: sha256.digest("hex") };
}

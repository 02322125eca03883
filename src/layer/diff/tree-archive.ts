import { setImmediate } from "node:timers/promises";
import { throwIfAborted } from "../../core/index.ts";
import { byteStringOf, type ByteString, splitDevice } from "../../linux/index.ts";
import type { Change } from "./changes.ts";
import { isSmall, readLarge, SmallFiles } from "./file-content.ts";
import { chunksOf, TarAssembler } from "../tar/write.ts";
import { CAPABILITY, hasLinks, inodeKey, linkTarget, type TreeFile, xattrNames, xattrOf } from "./tree.ts";
import { treeError } from "./tree-error.ts";
import type { TarEntryType, TarInput } from "../types.ts";
import type { UpperTree } from "./upper.ts";

export interface ArchiveOptions {
  readonly signal?: AbortSignal | undefined;
  /** Returns the time of an entry, given the time of its file. Both in nanoseconds since 1970. */
  readonly mtime?: ((own: bigint) => bigint) | undefined;
  /** Returns whether to keep an extended attribute. By default, only file capabilities are kept. */
  readonly keepXattr?: ((name: string) => boolean) | undefined;
}

/** Prefix of a whiteout: `.wh.x` deletes `x` of the layers below. OCI image specification, layer.md. */
const WHITEOUT = ".wh.";
/** Milliseconds of work between two pauses that let other tasks run. */
const TURN = 10;

/**
 * Writes changes as the archive of a layer. Every entry comes after its parent directories, even unchanged ones. The first name
 * of a file has the content, and its other names are hard links. A deletion is an empty file `.wh.<name>` from 1970. The root
 * directory is left out.
 * @throws {VarveError} `busy` if a file changes while it is read
 */
export async function* archiveChanges(
  changes: Iterable<Change | undefined>,
  upper: Pick<UpperTree, "file">,
  options: ArchiveOptions = {},
): AsyncGenerator<Uint8Array> {
  const writer = new ChangeWriter(upper, options);
  let turn = performance.now();
  try {
    for (const change of changes) {
      if (change !== undefined) {
        const large = writer.write(change);
        if (large !== undefined) yield* copyLarge(writer.out, large, options);
        yield* chunksOf(writer.out);
        writer.writeOtherNames();
      }
      if (performance.now() - turn < TURN) continue;
      throwIfAborted(options.signal, "write a layer");
      await setImmediate();
      turn = performance.now();
    }
    writer.out.end();
    yield* chunksOf(writer.out);
  } catch (error) {
    throw treeError(error, "write a layer");
  }
}

async function* copyLarge(out: TarAssembler, file: TreeFile, { signal }: ArchiveOptions): AsyncGenerator<Uint8Array> {
  for await (const data of readLarge(file)) {
    throwIfAborted(signal, "write a layer");
    out.append(data);
    yield* chunksOf(out);
  }
}

class ChangeWriter {
  readonly out = new TarAssembler();
  readonly #small = new SmallFiles();
  readonly #upper: Pick<UpperTree, "file">;
  readonly #options: ArchiveOptions;
  /** For each inode whose content was written, the name of that entry. */
  readonly #written = new Map<string, ByteString>();
  /** For each inode, its unmodified names. They are written if another name of the inode is. */
  readonly #unwritten = new Map<string, TreeFile[]>();
  readonly #directories = new Set<ByteString>([""]);
  #otherNames: readonly TreeFile[] = [];

  constructor(upper: Pick<UpperTree, "file">, options: ArchiveOptions) {
    this.#upper = upper;
    this.#options = options;
  }

  /** Writes an entry. If the content is large, returns the file, and the caller must append the content. */
  write(change: Change): TreeFile | undefined {
    if (change.kind === "delete") {
      this.#delete(change.path);
      return undefined;
    }
    const { file } = change;
    if (!hasLinks(file)) return this.#add(file);
    const key = inodeKey(file);
    const first = this.#written.get(key);
    if (first !== undefined) {
      this.#link(file, first);
      return undefined;
    }
    if (change.kind === "unmodified") {
      const names = this.#unwritten.get(key);
      if (names === undefined) this.#unwritten.set(key, [file]);
      else names.push(file);
      return undefined;
    }
    this.#written.set(key, file.path);
    this.#otherNames = this.#unwritten.get(key) ?? [];
    this.#unwritten.delete(key);
    return this.#add(file);
  }

  /** Writes hard links for the unmodified names of the file that was just written. Call it after the content is complete. */
  writeOtherNames(): void {
    const names = this.#otherNames;
    this.#otherNames = [];
    for (const file of names) this.#link(file, this.#written.get(inodeKey(file)) ?? "");
  }

  #delete(path: ByteString): void {
    this.#addParents(path);
    const slash = path.lastIndexOf("/") + 1;
    this.out.begin({ path: path.slice(0, slash) + WHITEOUT + path.slice(slash), mode: 0 }, 0);
  }

  #add(file: TreeFile): TreeFile | undefined {
    if (file.type === "socket") return undefined;
    this.#addParents(file.path);
    if (file.type === "directory") this.#directories.add(file.path);
    const size = file.type === "file" ? Number(file.stats.size) : 0;
    const header = { ...this.#header(file, file.type), linkPath: file.type === "symlink" ? linkTarget(file) : "" };
    if (size > 0 && !isSmall(file)) {
      this.out.begin(header, size);
      return file;
    }
    const content = size > 0 ? this.#small.read(file) : undefined;
    this.out.begin(header, size);
    if (content !== undefined) this.out.copy(content);
    return undefined;
  }

  #link(file: TreeFile, to: ByteString): void {
    this.#addParents(file.path);
    this.out.begin({ ...this.#header(file, "hardlink"), linkPath: to }, 0);
  }

  #addParents(path: ByteString): void {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    if (this.#directories.has(parent)) return;
    const file = this.#upper.file(parent);
    if (file?.type === "directory") this.#add(file);
  }

  #header(file: TreeFile, type: TarEntryType): TarInput {
    const { stats } = file;
    const isDevice = file.type === "char" || file.type === "block";
    const { major, minor } = isDevice ? splitDevice(stats.rdev) : { major: 0, minor: 0 };
    return {
      path: file.path,
      type,
      mode: Number(stats.mode) & 0o7777,
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      mtime: this.#options.mtime?.(stats.mtimeNs) ?? stats.mtimeNs,
      devMajor: major,
      devMinor: minor,
      xattrs: this.#xattrs(file),
    };
  }

  #xattrs(file: TreeFile): Map<string, Buffer> {
    const { keepXattr = isCapability } = this.#options;
    const kept = new Map<string, Buffer>();
    for (const name of xattrNames(file)) {
      if (!keepXattr(name)) continue;
      const value = xattrOf(file, name);
      if (value !== undefined && (value.length > 0 || name !== CAPABILITY)) kept.set(byteStringOf(name), value);
    }
    return kept;
  }
}

function isCapability(name: string): boolean {
  return name === CAPABILITY;
}

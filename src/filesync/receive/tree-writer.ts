import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  constants,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { VarveError, errnoOf } from "../../core/index.ts";
import {
  type ByteString,
  type EntryStat,
  type Path,
  hasCapability,
  mknod,
  pathOfByteString,
} from "../../linux/index.ts";
import { listNames, removeTree } from "../../snapshot/index.ts";
import { type Comparison, isDirectory, isSame, setMetadata, setTime } from "../metadata.ts";
import { type EntryKind, kindOf } from "../mode.ts";
import { joinBytes, shown, splitPath } from "../order.ts";
import type { Stat } from "../wire/stat.ts";
import { Directories } from "./directories.ts";

/**
 * Takes an entry: its directory ("" is the root), its name, and what the system says of it if it was already as the sender has it.
 * Nothing is said of directories, and of a file that gets another name: it is given once more, then without.
 */
export type OnEntry = (directory: ByteString, name: ByteString, unchanged: EntryStat | undefined) => void;

/** A directory of the tree that is received. */
export interface Directory {
  readonly path: ByteString;
  /** Undefined for the root, whose metadata is not transferred. */
  readonly stat: Stat | undefined;
  /** The names that were in the directory before and that the sender has not listed. */
  readonly unlisted: Set<ByteString>;
  /** Its metadata must be set at the end, because it is new or something in it has changed. */
  isChanged: boolean;
}

/** A file whose content is needed. */
export interface WantedFile {
  readonly id: number;
  readonly stat: Stat;
  readonly directory: Directory;
  readonly name: ByteString;
  /** What is in its place until the content has arrived. */
  readonly replaces: "nothing" | "file" | "directory";
}

export type Added =
  | { readonly kind: "directory"; readonly directory: Directory }
  | { readonly kind: "wanted"; readonly file: WantedFile }
  | { readonly kind: "done" };

export interface WriterOptions extends Comparison {
  /** Keep what the sender does not list. */
  readonly keep: boolean;
  readonly onEntry?: OnEntry | undefined;
  readonly signal: AbortSignal | undefined;
}

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const READ = constants.O_RDONLY | constants.O_NOFOLLOW;
const NODE_TYPES = { char: constants.S_IFCHR, block: constants.S_IFBLK, fifo: constants.S_IFIFO } as const;
const OWNER_ACCESS = 0o700;
const DONE: Added = { kind: "done" };

/** A file that has been created but may not have its name yet. */
export interface CreatedFile {
  readonly fd: number;
  /** Its name in its directory. */
  readonly name: ByteString;
}

/**
 * Makes a directory equal to what a sender lists. What exists is compared and replaced only if it differs. A file gets its time
 * when it is complete. So if the transfer ends early, no file looks like the sender's file without being it.
 */
export class TreeWriter implements Disposable {
  readonly root: Directory;
  readonly #options: WriterOptions;
  readonly #directories: Directories;
  readonly #listed: Directory[] = [];
  readonly #links: { readonly stat: Stat; readonly directory: Directory; readonly name: ByteString }[] = [];
  /** Without this privilege, a directory needs the permissions of its owner while it is changed. */
  readonly #canOverride = hasCapability("dac_override");

  constructor(directory: Path, options: WriterOptions) {
    this.#options = options;
    using resources = new DisposableStack();
    this.#directories = resources.use(new Directories(directory));
    this.root = { path: "", stat: undefined, unlisted: new Set(listNames(this.#directories.at(""))), isChanged: false };
    resources.move();
  }

  /** Adds an entry to its directory. Most entries are unchanged, and need no waiting. */
  add(id: number, stat: Stat, directory: Directory): Added | Promise<Added> {
    const kind = kindOf(stat.mode);
    if (kind === undefined) throw unsupported(stat);
    const [, name] = splitPath(stat.path);
    const existed = directory.unlisted.delete(name);
    const isLink = isHardLink(stat);
    const found = existed && !isLink ? this.#directories.stat(directory.path, name) : undefined;
    const isUnchanged = found !== undefined && kind !== "directory" && this.#isSame(stat, kind, found, directory, name);
    this.#options.onEntry?.(directory.path, name, isUnchanged ? found : undefined);
    if (isUnchanged) return DONE;
    if (isLink) {
      this.#links.push({ stat, directory, name });
      return DONE;
    }
    if (kind === "directory") return this.#addDirectory(stat, directory, name, found);
    const replaces = found === undefined ? "nothing" : isDirectory(found) ? "directory" : "file";
    if (kind === "file") return { kind: "wanted", file: { id, stat, directory, name, replaces } };
    const create = (target: Path): void => this.#createNode(target, stat, kind);
    return this.#replace({ directory, name, replaces }, create).then(() => DONE);
  }

  /** Removes what the sender has not listed in a directory. */
  async end(directory: Directory): Promise<void> {
    if (this.#options.keep) return;
    for (const name of directory.unlisted) {
      this.#change(directory);
      await this.#remove(directory, name);
    }
    directory.unlisted.clear();
  }

  /** Returns whether a file is there as the sender has it, with this content. Then it need not be written. */
  hasContent({ stat, directory, name, replaces }: WantedFile, content: readonly Uint8Array[]): boolean {
    // With "metadata", a file that is as the sender has it is not wanted.
    if (replaces !== "file" || this.#options.differ === "metadata") return false;
    const found = this.#directories.stat(directory.path, name);
    if (found === undefined || !isSame(stat, "file", found, "", { ...this.#options, differ: "metadata" })) return false;
    const fd = openSync(this.#directories.entry(directory.path, name), READ);
    try {
      return readFileSync(fd).equals(Buffer.concat(content));
    } finally {
      closeSync(fd);
    }
  }

  /** Creates a file for content. */
  create(file: WantedFile): CreatedFile {
    this.#change(file.directory);
    const name = file.replaces === "nothing" ? file.name : temporaryName();
    return { fd: openSync(this.#directories.entry(file.directory.path, name), CREATE, 0o600), name };
  }

  /** Sets the metadata of a file that has its content, and gives it its name. */
  async complete(file: WantedFile, created: CreatedFile): Promise<void> {
    const { directory, stat } = file;
    const at = this.#directories.entry(directory.path, created.name);
    setMetadata(at, stat, "file", this.#options.ownership);
    if (file.replaces === "directory") await this.#remove(directory, file.name);
    if (created.name !== file.name) this.#rename(directory, created.name, file.name);
  }

  /** Removes a file that does not get its content. */
  discard({ directory }: WantedFile, { name }: CreatedFile): void {
    try {
      unlinkSync(this.#directories.entry(directory.path, name));
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }

  /** Creates hard links, and sets the metadata of directories. Call it when all files are complete. */
  async finish(): Promise<void> {
    for (const { stat, directory, name } of this.#links) await this.#link(stat, directory, name);
    // Deepest first: the permissions of a directory may deny access to what is below.
    for (const { path, stat, isChanged } of this.#listed.reverse()) {
      if (stat === undefined) continue;
      const at = this.#directories.at(path);
      if (isChanged) setMetadata(at, stat, "directory", this.#options.ownership);
      else if (this.#directories.stat(path, ".")?.mtime !== stat.modTime) setTime(this.#directories.at(path), stat);
    }
  }

  /** Writes a file into the root that the sender has not listed. */
  async writeFile(name: ByteString, pieces: Iterable<Uint8Array>): Promise<void> {
    await this.#remove(this.root, name);
    const fd = openSync(this.#directories.entry("", name), CREATE, 0o644);
    try {
      for (const piece of pieces) for (let at = 0; at < piece.length;) at += writeSync(fd, piece, at);
    } finally {
      closeSync(fd);
    }
  }

  [Symbol.dispose](): void {
    this.#directories[Symbol.dispose]();
  }

  async #addDirectory(stat: Stat, parent: Directory, name: ByteString, found: EntryStat | undefined): Promise<Added> {
    const exists = found !== undefined && isDirectory(found);
    if (!exists) {
      this.#change(parent);
      if (found !== undefined) await this.#remove(parent, name);
      const created = this.#directories.entry(parent.path, name);
      if (!makeDirectory(created)) {
        return await this.#addDirectory(stat, parent, name, this.#directories.stat(parent.path, name));
      }
    }
    const at = this.#directories.entry(parent.path, name);
    const isOpened = exists && this.#openToOwner(at, found.mode);
    const isChanged = !exists || isOpened || !isSame(stat, "directory", found, at, this.#options);
    const names = exists ? listNames(at) : [];
    const directory = { path: joinBytes(parent.path, name), stat, unlisted: new Set(names), isChanged };
    this.#listed.push(directory);
    return { kind: "directory", directory };
  }

  #isSame(stat: Stat, kind: EntryKind, found: EntryStat, directory: Directory, name: ByteString): boolean {
    const at = kind === "symlink" ? this.#directories.entry(directory.path, name) : "";
    return isSame(stat, kind, found, at, this.#options);
  }

  /** Gives the owner of a directory access to it, if this is necessary. Returns whether it was. */
  #openToOwner(at: Path, mode: number): boolean {
    if (this.#canOverride || (mode & OWNER_ACCESS) === OWNER_ACCESS) return false;
    chmodSync(at, (mode & 0o777) | OWNER_ACCESS);
    return true;
  }

  /** Creates an entry in place of what is there. */
  async #replace(
    { directory, name, replaces }: Pick<WantedFile, "directory" | "name" | "replaces">,
    create: (at: Path) => void,
  ): Promise<void> {
    this.#change(directory);
    if (replaces === "directory") await this.#remove(directory, name);
    if (replaces !== "file") return create(this.#directories.entry(directory.path, name));
    const temporary = temporaryName();
    create(this.#directories.entry(directory.path, temporary));
    this.#rename(directory, temporary, name);
  }

  #createNode(at: Path, stat: Stat, kind: Exclude<EntryKind, "file" | "directory">): void {
    if (kind === "symlink") symlinkSync(pathOfByteString(stat.linkname), at);
    else mknod(at, NODE_TYPES[kind] | 0o600, Number(stat.devmajor), Number(stat.devminor));
    setMetadata(at, stat, kind, this.#options.ownership);
  }

  /** Creates a hard link unless it is there. Its target is complete. */
  async #link(stat: Stat, directory: Directory, name: ByteString): Promise<void> {
    const [above, last] = splitPath(stat.linkname);
    const source = this.#directories.stat(above, last);
    if (source === undefined || isDirectory(source))
      throw new VarveError("corrupt", `failed to link ${shown(stat.path)} to ${shown(stat.linkname)}: not received`);
    const found = this.#directories.stat(directory.path, name);
    if (found?.ino === source.ino && found.dev === source.dev) return;
    const replaces = found === undefined ? "nothing" : isDirectory(found) ? "directory" : "file";
    await this.#replace({ directory, name, replaces }, (at) => {
      using target = this.#directories.hold(above);
      linkSync(pathOfByteString(`${target.path}/${last}`), at);
    });
    this.#options.onEntry?.(above, last, undefined);
  }

  #rename(directory: Directory, from: ByteString, to: ByteString): void {
    const source = this.#directories.entry(directory.path, from);
    renameSync(source, this.#directories.entry(directory.path, to));
  }

  async #remove(directory: Directory, name: ByteString): Promise<void> {
    await removeTree(this.#directories.entry(directory.path, name), { signal: this.#options.signal });
  }

  #change(directory: Directory): void {
    directory.isChanged = true;
  }
}

/** Returns false if the directory exists, because another transfer into the same tree has created it. */
function makeDirectory(at: Path): boolean {
  try {
    mkdirSync(at, OWNER_ACCESS);
    return true;
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
    return false;
  }
}

/** Returns whether an entry is another name of an earlier one. The protocol has no such entries for symbolic links. */
export function isHardLink({ mode, linkname }: Stat): boolean {
  const kind = kindOf(mode);
  return linkname !== "" && kind !== "directory" && kind !== "symlink";
}

function temporaryName(): ByteString {
  return `.varve-${randomBytes(8).toString("hex")}`;
}

function unsupported(stat: Stat): VarveError {
  const mode = stat.mode.toString(16);
  return new VarveError("corrupt", `Cannot receive ${shown(stat.path)}: there is no type of file for mode 0x${mode}`);
}

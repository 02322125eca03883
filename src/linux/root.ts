import { errnoOf } from "../core/index.ts";
import { type Path, bytesOfPath, cstring, joinPath, pathOf } from "./path.ts";
import { closeSync, constants, mkdirSync, openSync, readlinkSync } from "node:fs";
import { Errno, systemError } from "./errno.ts";
import { systemCall } from "./libc.ts";

const O_PATH = 0x20_0000;
const O_CLOEXEC = 0x8_0000;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_IN_ROOT = 0x10;
/** As the kernel's own limit on symbolic links in one path. */
const MAX_LINKS = 40;

const openat2 = systemCall("openat2", 437, ["int", "void *", "void *", "size_t"]);

/** A place in a tree, held open, so that renames and links made meanwhile cannot move it. */
export interface Handle extends Disposable {
  readonly fd: number;
  /**
   * `/proc/self/fd/N`: a path for any file operation of this process; it ends where the handle points, never outside. It is
   * itself a link: an operation that does not follow links, such as `lstat`, takes `${path}/.` for a directory.
   */
  readonly path: string;
}

/** The directory that holds an entry, and the entry's name in it. The entry itself may be missing, or be a link. */
export interface ParentHandle extends Handle {
  /** One component; "." for the root itself. */
  readonly name: Path;
  /** `${path}/${name}`. */
  readonly entry: Path;
}

export interface CreateOptions {
  /** Permissions of the directories that are made, less the umask. */
  readonly mode: number;
  /** Called with the path (through a handle) of each directory that was made, topmost first. */
  readonly onCreate?: ((path: Path) => void) | undefined;
}

/**
 * A directory tree that paths are resolved in by the kernel: ".." and absolute links stop at the root, and links under /proc
 * are refused. Nothing that a build puts into the tree can make an operation touch the host. Needs Linux 5.6.
 */
export class Root implements Disposable {
  readonly fd: number;

  private constructor(fd: number) {
    this.fd = fd;
  }

  static open(directory: Path): Root {
    return new Root(openSync(directory, O_PATH | constants.O_DIRECTORY | O_CLOEXEC));
  }

  /** `/proc/self/fd/N` of the root. */
  get path(): string {
    return `/proc/self/fd/${this.fd}`;
  }

  /** Holds an existing entry open without access to its content; throws ENOENT, ENOTDIR, ELOOP. */
  open(path: Path, { follow = true }: { readonly follow?: boolean | undefined } = {}): Handle {
    return handle(this.#open(path, O_PATH | (follow ? 0 : constants.O_NOFOLLOW)));
  }

  /** Opens an existing file for reading or writing; the caller closes the descriptor. `flags` as `fs.constants.O_*`. */
  openFile(path: Path, flags: number, mode = 0): number {
    return this.#open(path, flags, mode);
  }

  /** As `open`, or undefined if there is no such entry (ENOENT, ENOTDIR). */
  find(path: Path, options?: { readonly follow?: boolean | undefined }): Handle | undefined {
    try {
      return this.open(path, options);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /**
   * The path from the root ("" for the root itself, never a leading "/") of an existing entry, with every link on the way
   * replaced; the last one too if `follow` is set (the default). A string unless the bytes are not UTF-8.
   */
  resolve(path: Path, options?: { readonly follow?: boolean | undefined }): Path {
    using found = this.open(path, options);
    return this.#pathOf(found);
  }

  /**
   * As `resolve`, for a path of which the end may be missing: links are replaced as far as there are any, also one that
   * dangles, and what does not exist stays as it is. Nothing in the result is a link.
   */
  locate(path: Path): Path {
    using found = this.find(path);
    if (found !== undefined) return this.#pathOf(found);
    return pathOf(this.#locate(split(path)));
  }

  /**
   * The directory that holds the last component of `path`, its links followed inside the root; with `create` it and the
   * directories above it are made as needed, also where a link dangles. Throws ENOENT without `create`. A last component
   * "..", and any trailing "/", are resolved first, so `name` is never "..".
   */
  openParent(path: Path, { create }: { readonly create?: CreateOptions | undefined } = {}): ParentHandle {
    const components = split(path);
    const last = components.at(-1);
    if (last === undefined) return parent(this.#open(".", O_PATH | constants.O_DIRECTORY), ".");
    if (last.equals(DOT_DOT)) {
      const where = this.#directory(components, create);
      try {
        return this.openParent(this.#pathOf(where));
      } finally {
        where[Symbol.dispose]();
      }
    }
    return parent(this.#directory(components.slice(0, -1), create).fd, pathOf(last));
  }

  /** Holds the directory `path` open, making what is missing of it. */
  makeDirectories(path: Path, create: CreateOptions): Handle {
    return this.#directory(split(path), create);
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }

  #locate(components: readonly Buffer[]): Buffer {
    const left = [...components];
    const done: Buffer[] = [];
    let links = 0;
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const target = next.equals(DOT_DOT) ? undefined : this.#linkAt(done, next);
      if (next.equals(DOT_DOT)) done.pop();
      else if (target === undefined) done.push(next);
      else {
        links += 1;
        if (links > MAX_LINKS) throw systemError(Errno.ELOOP, "open", joinComponents(components));
        if (target[0] === 0x2f) done.length = 0;
        left.unshift(...split(target));
      }
    }
    return joinComponents(done).subarray(2);
  }

  /** What the entry links to, or undefined if it is no link or does not exist. */
  #linkAt(components: readonly Buffer[], name: Buffer): Buffer | undefined {
    using above = this.find(joinComponents(components));
    if (above === undefined) return undefined;
    try {
      return readlinkSync(joinPath(above.path, name), { encoding: "buffer" });
    } catch (error) {
      if (isMissing(error) || errnoOf(error) === "EINVAL") return undefined;
      throw error;
    }
  }

  /** Where a handle points, from the root, without a leading slash. */
  #pathOf(found: Handle): Path {
    const base = readlinkSync(this.path, { encoding: "buffer" });
    const full = readlinkSync(found.path, { encoding: "buffer" });
    return pathOf(full.subarray(Math.min(full.length, base.length === 1 ? 1 : base.length + 1)));
  }

  #directory(components: readonly Buffer[], create: CreateOptions | undefined): Handle {
    const whole = joinComponents(components);
    try {
      return handle(this.#open(whole, O_PATH | constants.O_DIRECTORY));
    } catch (error) {
      if (create === undefined || !isMissing(error)) throw error;
    }
    return this.#create(components, create);
  }

  #create(components: readonly Buffer[], create: CreateOptions): Handle {
    const done: Buffer[] = [];
    for (const next of split(this.#locate(components))) {
      using above = handle(this.#open(joinComponents(done), O_PATH | constants.O_DIRECTORY));
      makeDirectory(joinPath(above.path, pathOf(next)), create);
      done.push(next);
    }
    return handle(this.#open(joinComponents(done), O_PATH | constants.O_DIRECTORY));
  }

  #open(path: Path, flags: number, mode = 0): number {
    const how = Buffer.alloc(24);
    how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
    how.writeBigUInt64LE(BigInt(mode), 8);
    how.writeBigUInt64LE(BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS), 16);
    const name = cstring(path.length === 0 ? "." : path);
    for (let attempt = 0; ; attempt += 1) {
      const fd = openat2.attempt(this.fd, name, how, how.length);
      if (fd >= 0) return fd;
      // The kernel asks for another try when a rename raced with "..".
      if (fd !== -Errno.EAGAIN || attempt > 100) throw systemError(-fd, "open", path);
    }
  }
}

const SLASH = Buffer.from("/");
const DOT = Buffer.from(".");
const DOT_DOT = Buffer.from("..");

function split(path: Path): Buffer[] {
  const bytes = bytesOfPath(path);
  const parts: Buffer[] = [];
  for (let start = 0; start <= bytes.length;) {
    const slash = bytes.indexOf(0x2f, start);
    const end = slash < 0 ? bytes.length : slash;
    const part = bytes.subarray(start, end);
    if (part.length > 0 && !part.equals(DOT)) parts.push(part);
    start = end + 1;
  }
  return parts;
}

function joinComponents(components: readonly Buffer[]): Buffer {
  return Buffer.concat([DOT, ...components.flatMap((part) => [SLASH, part])]);
}

function makeDirectory(entry: Path, { mode, onCreate }: CreateOptions): void {
  try {
    mkdirSync(entry, mode);
  } catch (error) {
    // If it is no directory, opening it says so.
    if (errnoOf(error) === "EEXIST") return;
    throw error;
  }
  onCreate?.(entry);
}

function isMissing(error: unknown): boolean {
  const code = errnoOf(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

function handle(fd: number): Handle {
  let open = true;
  return {
    fd,
    path: `/proc/self/fd/${fd}`,
    [Symbol.dispose]: () => {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

function parent(fd: number, name: Path): ParentHandle {
  const held = handle(fd);
  return { ...held, name, entry: joinPath(held.path, name) };
}

import { closeSync, constants, readSync, readlinkSync } from "node:fs";
import { errnoOf } from "../core/index.ts";
import { Errno } from "./errno.ts";
import { libcCall } from "./libc.ts";
import { type ByteString, cstring, type Path } from "./path.ts";

const fanotifyInit = libcCall("fanotify_init", ["uint", "uint"]);
const fanotifyMark = libcCall("fanotify_mark", ["int", "uint", "int64_t", "int", "void *"]);

const FAN_CLOEXEC = 0x1;
const FAN_NONBLOCK = 0x2;
const FAN_UNLIMITED_QUEUE = 0x10;
const FAN_MARK_ADD = 0x1;
const FAN_MARK_FILESYSTEM = 0x100;
/** The events of an inode that are not wanted any more, also after it was changed. The kernel may forget that with the inode. */
const FAN_MARK_IGNORE_INODE = 0x40 | 0x200 | 0x400;
const FAN_OPEN = 0x20;
const FAN_OPEN_EXEC = 0x1000;
const FAN_Q_OVERFLOW = 0x4000;
const FAN_ONDIR = 0x4000_0000;
const AT_FDCWD = -100;

/** A FIFO or a device that was opened must not be waited for. */
const EVENT_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | 0x8_0000;

/** Bytes of an event, and of the buffer: each event that is read is an open file of this process until it is closed. */
const EVENT_BYTES = 24;
const BUFFER_BYTES = EVENT_BYTES * 128;

/** A file or directory that a process has opened or executed. */
export interface OpenedFile {
  /** The path as the kernel shows it to this process, for a file in another mount namespace from the root of its mount. */
  readonly path: ByteString;
  /** The process that opened it. */
  readonly pid: number;
}

/** Gets what an event says, and a descriptor of the file, which is closed afterwards. Returns whether further events of the file may be left out. */
export type VisitFile = (file: OpenedFile, fd: number) => boolean;

/** What was read of a watch: events, and whether some were lost. */
export interface OpenedFiles {
  readonly files: readonly OpenedFile[];
  /** True if there was nothing more to read. */
  readonly isEmpty: boolean;
  /** True if an event was lost, or its file has no path. */
  readonly isIncomplete: boolean;
}

/**
 * Watches which files of one filesystem are opened and executed, by any process in any mount namespace. Look-ups, `stat` and `readlink`
 * are not seen. Needs CAP_SYS_ADMIN in the initial user namespace. Dispose of it to stop.
 */
export class OpenWatch implements Disposable {
  #fd: number;
  /** Since Linux 6.0. */
  #canIgnore = true;
  readonly #visit: VisitFile;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);

  /**
   * @param path any path of the filesystem.
   * @param visit is called for each event. Where it returns true, the kernel reports the file no more for a while, which makes a step that
   * opens it often as fast as one that is not watched.
   *
   * Throws a `SystemError`, such as `EPERM`, `ENOSYS` or `EINVAL`.
   */
  constructor(path: Path, visit: VisitFile = () => false) {
    this.#visit = visit;
    this.#fd = fanotifyInit({}, FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE, EVENT_FLAGS);
    try {
      const mask = FAN_OPEN | FAN_OPEN_EXEC | FAN_ONDIR;
      fanotifyMark({ path }, this.#fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, mask, AT_FDCWD, cstring(path));
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  /** Reads at most about `limit` events that wait to be read. Never waits. */
  read(limit: number): OpenedFiles {
    const files: OpenedFile[] = [];
    let isIncomplete = false;
    while (files.length < limit) {
      const length = this.#fill();
      if (length === "failed") isIncomplete = true;
      else if (length === 0) return { files, isEmpty: true, isIncomplete };
      else if (!this.#take(length, files)) isIncomplete = true;
    }
    return { files, isEmpty: false, isIncomplete };
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  /** Returns how many bytes were read; "failed" if the kernel has dropped an event whose file it could not open. */
  #fill(): number | "failed" {
    try {
      return readSync(this.#fd, this.#buffer, 0, BUFFER_BYTES, null);
    } catch (error) {
      if (errnoOf(error) === "EAGAIN") return 0;
      return "failed";
    }
  }

  /** Adds the events of the buffer. Returns false if one of them says nothing. */
  #take(length: number, files: OpenedFile[]): boolean {
    let isComplete = true;
    for (let at = 0; at + EVENT_BYTES <= length; at += this.#buffer.readUInt32LE(at)) {
      // All that is asked for is in the lower half of the mask.
      const mask = this.#buffer.readUInt32LE(at + 8);
      const fd = this.#buffer.readInt32LE(at + 16);
      const file = fd < 0 ? undefined : this.#fileOf(fd, this.#buffer.readInt32LE(at + 20));
      if (file === undefined || (mask & FAN_Q_OVERFLOW) !== 0) isComplete = false;
      else files.push(file);
    }
    return isComplete;
  }

  /** Returns what an event says, and closes its file. */
  #fileOf(fd: number, pid: number): OpenedFile | undefined {
    try {
      const file = { path: readlinkSync(`/proc/self/fd/${fd}`, { encoding: "latin1" }), pid };
      if (this.#visit(file, fd) && this.#canIgnore) this.#ignore(fd);
      return file;
    } catch {
      return undefined;
    } finally {
      closeSync(fd);
    }
  }

  /** What is in a directory is still reported. The kernel does not say what is one, and refuses the flag for other files. */
  #ignore(fd: number): void {
    const asDirectory = this.#markIgnored(fd, FAN_OPEN | FAN_OPEN_EXEC | FAN_ONDIR);
    const result = asDirectory === -Errno.ENOTDIR ? this.#markIgnored(fd, FAN_OPEN | FAN_OPEN_EXEC) : asDirectory;
    if (result < 0) this.#canIgnore = false;
  }

  #markIgnored(fd: number, mask: number): number {
    return fanotifyMark.attempt(this.#fd, FAN_MARK_ADD | FAN_MARK_IGNORE_INODE, mask, fd, null);
  }
}

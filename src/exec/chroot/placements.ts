import {
  chmodSync,
  constants,
  copyFileSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { VarveError, errnoOf } from "../../core/index.ts";
import { type Handle, type Path, type Root, changePlaces, setOwner } from "../../linux/index.ts";
import { copyTree } from "../../snapshot/index.ts";
import { mountPoint } from "../mounts/step-mounts.ts";
import { type MountStubs, preservingTimes } from "../mounts/stubs.ts";
import { type MovedEntry, recordMoves } from "./moved.ts";
import type { StandIn } from "./stand-ins.ts";

/** Modes of files and directories in which an empty entry waits for the return of what was moved. */
const PERMISSIONS = 0o7777;

/** What was placed, and how to undo it. */
interface Placed {
  /** Absolute in the root filesystem. */
  readonly path: string;
  /** Where what was there before waits. */
  readonly aside: string;
  readonly held: Handle;
  /** Where it has to return to. */
  readonly home?: string | undefined;
  readonly kind: "directory" | "file";
}

/**
 * What other runners mount is placed into the tree itself, and taken out of it after the step. What was there before waits in a directory of
 * the same filesystem. A placed entry is found again wherever the step has moved it in the tree. Times of the directories above stay.
 */
export class Placements implements Disposable {
  readonly #root: Root;
  readonly #rootfs: string;
  readonly #stubs: MountStubs;
  readonly #directory: string;
  readonly #placed: Placed[] = [];
  readonly #moved: MovedEntry[] = [];

  /** `directory` is empty, on the filesystem of the tree, and removed by its owner. */
  constructor(root: Root, rootfs: string, stubs: MountStubs, directory: string) {
    this.#root = root;
    this.#rootfs = rootfs;
    this.#stubs = stubs;
    this.#directory = directory;
  }

  /**
   * @throws {VarveError} `invalid-build` for a target that the tree does not allow; `unsupported` for what cannot be moved into it.
   */
  async place(standIn: StandIn, signal?: AbortSignal): Promise<void> {
    const { content, kind } = standIn;
    const path = mountPoint(this.#root, standIn, this.#stubs, () => false);
    const aside = join(this.#directory, `aside-${this.#placed.length}`);
    preservingTimes(this.#root, path, (entry) => renameSync(entry, aside));
    let held: Handle;
    try {
      preservingTimes(this.#root, path, (entry) => make(entry, standIn));
      if (content.kind === "moved") this.#move(content.source, path, standIn);
      held = this.#root.open(path, { follow: false });
    } catch (error) {
      this.#restore({ path, aside });
      throw error;
    }
    const home = content.kind === "moved" ? content.source : undefined;
    this.#placed.push({ path, aside, held, home, kind });
    if (content.kind === "copied" && kind === "directory") await copyTree(content.source, `${held.path}/.`, { signal });
  }

  #move(home: string, path: string, { kind, target }: StandIn): void {
    const { ino } = lstatSync(home, { bigint: true });
    // Before it is moved: a process that is killed afterwards cannot say so.
    this.#moved.push({ rootfs: this.#rootfs, path, home, inode: String(ino), kind });
    recordMoves(this.#directory, this.#moved);
    try {
      preservingTimes(this.#root, path, (entry) => changePlaces(home, entry, kind));
    } catch (error) {
      const errno = errnoOf(error);
      if (errno !== "EXDEV" && errno !== "EBUSY") throw error;
      throw new VarveError("unsupported", `Cannot place a writable mount at ${target}: it is on another filesystem`, {
        cause: error,
        hint: "Without mounts, caches must be on the filesystem of the store.",
      });
    }
  }

  /** Takes everything out, in reverse order. No process of the step may run any more. */
  [Symbol.dispose](): void {
    const errors: unknown[] = [];
    for (const placed of this.#placed.splice(0).toReversed()) {
      try {
        this.#takeOut(placed);
      } catch (error) {
        errors.push(error);
      } finally {
        placed.held[Symbol.dispose]();
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  #takeOut(placed: Placed): void {
    const now = this.#pathOf(placed.held);
    if (now !== undefined) {
      preservingTimes(this.#root, now, (entry) => {
        if (placed.home !== undefined) changePlaces(placed.home, entry, placed.kind);
        rmSync(entry, { recursive: true, force: true });
      });
    }
    this.#restore(placed);
  }

  /** Puts back what was there before, unless the step has removed the directory that it was in. */
  #restore({ path, aside }: Pick<Placed, "path" | "aside">): void {
    try {
      preservingTimes(this.#root, path, (entry) => {
        rmSync(entry, { recursive: true, force: true });
        renameSync(aside, entry);
      });
    } catch (error) {
      const errno = errnoOf(error);
      if (errno !== "ENOENT" && errno !== "ENOTDIR" && errno !== "ELOOP") throw error;
    }
  }

  /** Returns where an entry is now, from the root; undefined if it has been deleted. */
  #pathOf(held: Handle): string | undefined {
    const base = readlinkSync(this.#root.path);
    const path = readlinkSync(held.path);
    if (!path.startsWith(`${base}/`) || fstatSync(held.fd).nlink === 0) return undefined;
    return path.slice(base.length);
  }
}

/** Makes an entry, and fills it unless it is a directory. */
function make(entry: Path, { content, kind, mode, uid, gid }: StandIn): void {
  if (content.kind === "copied" && kind === "file") {
    copyFileSync(content.source, entry, constants.COPYFILE_FICLONE);
    likeSource(entry, content.source);
    return;
  }
  if (kind === "directory") mkdirSync(entry, 0o700);
  else writeFileSync(entry, content.kind === "bytes" ? content.bytes : "", { flag: "wx", mode: 0o600 });
  if (content.kind === "moved") return likeSource(entry, content.source);
  setOwner(entry, uid, gid);
  chmodSync(entry, mode & PERMISSIONS);
  if (content.kind === "filled") content.fill(entry);
}

function likeSource(entry: Path, source: string): void {
  const status = lstatSync(source);
  setOwner(entry, status.uid, status.gid);
  chmodSync(entry, status.mode & PERMISSIONS);
}

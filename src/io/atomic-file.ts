import { randomBytes } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Bytes } from "./bytes.ts";
import { freeing } from "./free.ts";

/** Makes the entries of a directory durable (fsync). */
export async function syncDirectory(path: string): Promise<void> {
  await using handle = await open(path, "r");
  await handle.sync();
}

/** The owner and the mode of a file. */
export interface FileAccess {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A temporary file in the directory of the file that it will replace. Disposal removes it unless it was renamed. */
export class StagedFile implements AsyncDisposable {
  readonly path: string;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** Creates a file in the directory of `target`. Its name is short, so that it fits wherever the target's name does. */
  static async beside(target: string, mode: number): Promise<StagedFile> {
    const path = join(dirname(target), `.varve-${randomBytes(6).toString("hex")}.tmp`);
    return new StagedFile(path, await open(path, "wx", mode));
  }

  /** Sets the owner, if permitted, and the mode, regardless of the umask. */
  async allow({ mode, uid, gid }: FileAccess): Promise<void> {
    await this.#file.chown(uid, gid).catch(() => undefined);
    await this.#file.chmod(mode);
  }

  async write(data: Uint8Array | string | Bytes): Promise<void> {
    const isStream = typeof data !== "string" && !(data instanceof Uint8Array);
    await this.#file.writeFile(isStream ? freeing(data) : data);
    await this.#file.sync();
  }

  /** Renames the file to `target`, durably. */
  async replace(target: string): Promise<void> {
    await rename(this.path, target);
    await syncDirectory(dirname(target));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
    await rm(this.path, { force: true });
  }
}

/**
 * Writes a file that Varve owns. After a crash, and for concurrent readers, it has either the old contents or the new: temporary file in the
 * same directory, fsync, rename, fsync of the directory. Replaces whatever has that name; use `writeOutput` for paths that users name.
 */
export async function writeFileAtomic(
  path: string,
  data: Uint8Array | string | Bytes,
  { mode = 0o644 }: { mode?: number | undefined } = {},
): Promise<void> {
  await using staged = await StagedFile.beside(path, mode);
  await staged.write(data);
  await staged.replace(path);
}

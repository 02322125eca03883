import { randomBytes } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Bytes } from "./bytes.ts";

/** Makes a directory's entries durable. */
export async function syncDirectory(path: string): Promise<void> {
  await using handle = await open(path, "r");
  await handle.sync();
}

/** Who owns a file and what they may do with it. */
export interface FileAccess {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A new file beside the one it is to replace; removed when disposed of, unless it has taken that one's name. */
export class StagedFile implements AsyncDisposable {
  readonly path: string;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** Makes a file in the directory of `target`. Its name is short, so that any name that fits there can be replaced. */
  static async beside(target: string, mode: number): Promise<StagedFile> {
    const path = join(dirname(target), `.varve-${randomBytes(6).toString("hex")}.tmp`);
    return new StagedFile(path, await open(path, "wx", mode));
  }

  /** Gives the file an owner, where that is permitted, and a mode that the umask does not change. */
  async allow({ mode, uid, gid }: FileAccess): Promise<void> {
    await this.#file.chown(uid, gid).catch(() => undefined);
    await this.#file.chmod(mode);
  }

  async write(data: Uint8Array | string | Bytes): Promise<void> {
    await this.#file.writeFile(data);
    await this.#file.sync();
  }

  /** Puts the file in the place of `target`, durably. */
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
 * Writes a file of ours so that a reader, or a crash, sees the old content or the new, never a part: temporary file in the
 * same directory, fsync, rename, fsync of the directory. Whatever has that name is replaced; `writeOutput` is for paths that
 * users name.
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

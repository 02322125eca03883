import { randomBytes } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { VarveError, errnoOf, toVarveError } from "../core/index.ts";
import { type ProcessDirectory, makeDirectories, tryLock } from "../linux/index.ts";
import type { Database } from "../state/index.ts";
import { type Layout, ingestPath } from "./layout.ts";

/** The location of an ingest's bytes, and the exclusive right to write there. */
export interface Place {
  readonly file: string;
  /** For messages. */
  readonly name: string;
  open(): Promise<FileHandle>;
  /** Releases the place, and removes its bytes if `keep` is false. It is no error if they are gone. */
  release(keep: boolean): Promise<void>;
}

/**
 * The place of a ref, locked against every other holder. The lock is taken, and the directory removed, inside a
 * transaction, so that no process locks a file that has just been removed.
 */
export function refPlace(state: Database, layout: Layout, ref: string): Place {
  const directory = ingestPath(layout, ref);
  const file = join(directory, "data");
  const lock = state.transaction(() => lockDirectory(directory, ref));
  if (lock === undefined)
    throw new VarveError("busy", `Cannot write blob ${JSON.stringify(ref)}: another process is writing it`, {
      details: { ref },
    });
  return {
    file,
    name: ref,
    open: () => openForWriting(file),
    release: async (keep) => {
      using held = lock;
      if (keep) return;
      await rm(file, { force: true });
      state.transaction(
        () => {
          rmSync(directory, { recursive: true, force: true });
          held[Symbol.dispose]();
        },
        { frees: true },
      );
    },
  };
}

function lockDirectory(directory: string, ref: string): Disposable | undefined {
  try {
    makeDirectories(directory, 0o700);
    return tryLock(join(directory, "lock"));
  } catch (error) {
    throw toVarveError(error, `write blob ${JSON.stringify(ref)}`, "storage");
  }
}

/** A place in this process's directory, for bytes that are never resumed. */
export function anonymousPlace(writers: ProcessDirectory): Place {
  const file = join(writers.path, randomBytes(12).toString("hex"));
  return {
    file,
    name: "a blob",
    open: () => open(file, "wx+", 0o600),
    release: async () => {
      await rm(file, { force: true });
    },
  };
}

/** Not "a": Linux would ignore the positions of writes. Not "w+": it would truncate bytes to resume. */
async function openForWriting(file: string): Promise<FileHandle> {
  try {
    return await open(file, "r+");
  } catch (error) {
    // EACCES: its writer died between sealing the file and giving it its name, and resuming is not worth the care.
    if (errnoOf(error) === "EACCES") await rm(file);
    else if (errnoOf(error) !== "ENOENT") throw error;
    return await open(file, "wx+", 0o600);
  }
}

/** Removes the directory of a ref; false if someone writes there. */
export function removeAbandoned(state: Database, directory: string): boolean {
  return state.transaction(
    () => {
      if (!existsSync(directory)) return false;
      using lock = tryLock(join(directory, "lock"));
      if (lock === undefined) return false;
      rmSync(directory, { recursive: true, force: true });
      return true;
    },
    { frees: true },
  );
}

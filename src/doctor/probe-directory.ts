import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { errnoOf } from "../core/index.ts";

/** A place on the filesystem of a root to try things in. */
export interface ProbeDirectory extends AsyncDisposable {
  readonly state: "usable" | "refused";
  /** The directory itself, or the nearest one that exists where it could not be made. */
  readonly path: string;
  /** Why it could not be made: "EACCES". */
  readonly reason?: string | undefined;
}

/** Makes an empty directory in `root`, or in the nearest directory above it that exists; never `root` itself. */
export async function probeDirectory(root: string): Promise<ProbeDirectory> {
  let above = resolve(root);
  while (!existsSync(above) && above !== dirname(above)) above = dirname(above);
  try {
    const path = await mkdtemp(join(above, ".varve-doctor-"));
    return { state: "usable", path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
  } catch (error) {
    const reason = errnoOf(error) ?? String(error);
    return { state: "refused", path: above, reason, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
}

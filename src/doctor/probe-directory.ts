import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { errnoOf } from "../core/index.ts";

/** A temporary directory on the filesystem of a root. */
export interface ProbeDirectory extends AsyncDisposable {
  readonly state: "usable" | "refused";
  /** The directory itself; if it could not be created, the existing directory it would be in. */
  readonly path: string;
  /** Why it could not be created, such as "EACCES". */
  readonly reason?: string | undefined;
}

/** Creates an empty directory in `root`, or in the nearest existing directory above it. Does not create `root`. */
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

import { accessSync, constants, existsSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, isVarveError } from "../core/index.ts";
import { needsOverlay } from "../snapshot/index.ts";
import { inspectState } from "../state/index.ts";
import { type Fact, missing, ok } from "./fact.ts";

/** Paths in a root that builds write to. */
const WRITTEN = [
  "state.db",
  "content/blobs/sha256",
  "content/ingest",
  "content/writers",
  "snapshots",
  "tmp",
  "mounts",
  "locks",
  "run",
];

/** Returns the first path in a root that this process cannot write to, and why; undefined if it can write to all of them. */
export function refusedPath(root: string): { readonly path: string; readonly reason: string } | undefined {
  for (const path of ["", ...WRITTEN].map((name) => join(root, name)).filter((each) => existsSync(each))) {
    try {
      accessSync(path, constants.R_OK | constants.W_OK);
    } catch (error) {
      return { path, reason: errnoOf(error) ?? String(error) };
    }
  }
  return undefined;
}

/** Reads the database of an existing root, and reports whether this machine can mount the snapshots in it. */
export function databaseFacts(root: string, overlayWorks: boolean): readonly Fact[] {
  const path = join(root, "state.db");
  if (!existsSync(path)) return [];
  try {
    if (!inspectState(path, needsOverlay) || overlayWorks) return [ok("database", path, true)];
    return [
      ok("database", path, true),
      missing("snapshots", "overlay", {
        consequence: "the layers in this root are overlays, which this machine cannot mount",
        fix: "export VARVE_ROOT=/path/to/a/writable/directory",
      }),
    ];
  } catch (error) {
    if (!isVarveError(error)) throw error;
    return [missing("database", error.message, { consequence: "builds cannot use this root", fix: error.hint })];
  }
}

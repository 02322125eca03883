import { accessSync, constants, existsSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, isVarveError } from "../core/index.ts";
import { needsOverlay } from "../snapshot/index.ts";
import { inspectState } from "../state/index.ts";
import { type Fact, missing, ok } from "./fact.ts";

/** What builds write to in a root. */
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

/** What of a root this process may not write to, and why; undefined if that is nothing. */
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

/** The database of a root that is there, read through; and what its snapshots ask of the machine. */
export function databaseFacts(root: string, overlayWorks: boolean): readonly Fact[] {
  const path = join(root, "state.db");
  if (!existsSync(path)) return [];
  try {
    if (!inspectState(path, needsOverlay) || overlayWorks) return [ok("database", path, true)];
    return [
      ok("database", path, true),
      missing("snapshots", "overlay", {
        consequence: "the layers in this root are overlays, which cannot be mounted here",
        mend: "varve --root DIR …",
      }),
    ];
  } catch (error) {
    if (!isVarveError(error)) throw error;
    return [missing("database", error.message, { consequence: "no build works in this root", mend: error.hint })];
  }
}

import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { errnoOf } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { type Fact, limited, missing, ok } from "./fact.ts";

/** A build of one small step needs at least 64 open files; a build of many steps and downloads needs several hundred. */
const LEAST = 64;
const USUAL = 1024;
const RAISE_LIMIT = "ulimit -n 1024";

/** Reports how many files this process may have open. */
export function openFilesFact(limits: string = readFileSync("/proc/self/limits", "utf8")): Fact {
  const soft = /^Max open files +(\d+|unlimited)/m.exec(limits)?.[1] ?? "unknown";
  const count = /^\d+$/.test(soft) ? Number(soft) : Infinity;
  if (count < LEAST)
    return missing("open files", soft, { consequence: "builds need at least 64 open files", fix: RAISE_LIMIT });
  if (count < USUAL)
    return limited("open files", soft, { consequence: "builds with many steps may fail", fix: RAISE_LIMIT });
  return ok("open files", soft);
}

/** Reports whether temporary files can be created, which a few operations need. */
export async function temporaryFact(directory: string = tmpdir()): Promise<Fact> {
  try {
    await using _tried = await temporaryDirectory("varve-doctor-", directory);
    return ok("temporary files", directory);
  } catch (error) {
    return limited("temporary files", directory, {
      consequence: `temporary files cannot be created (${errnoOf(error) ?? String(error)}): copies from an empty image and large eStargz layers fail`,
      fix: "export TMPDIR=/path/to/a/writable/directory",
    });
  }
}

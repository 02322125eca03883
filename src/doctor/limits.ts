import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { errnoOf } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { type Fact, limited, missing, ok } from "./fact.ts";

/** A build of one small step needs so many, and one of many steps and downloads some hundred. */
const LEAST = 64;
const USUAL = 1024;
const MEND = "ulimit -n 1024";

/** How many files this process may have open. */
export function openFilesFact(limits: string = readFileSync("/proc/self/limits", "utf8")): Fact {
  const soft = /^Max open files +(\d+|unlimited)/m.exec(limits)?.[1] ?? "unknown";
  const count = /^\d+$/.test(soft) ? Number(soft) : Infinity;
  if (count < LEAST) return missing("open files", soft, { consequence: "no build works with so few", mend: MEND });
  if (count < USUAL) return limited("open files", soft, { consequence: "builds of many steps may fail", mend: MEND });
  return ok("open files", soft);
}

/** Whether temporary files can be made, which a few operations need. */
export async function temporaryFact(directory: string = tmpdir()): Promise<Fact> {
  try {
    await using _tried = await temporaryDirectory("varve-doctor-", directory);
    return ok("temporary files", directory);
  } catch (error) {
    return limited("temporary files", directory, {
      consequence: `none can be made (${errnoOf(error) ?? String(error)}): copies from an empty image and large eStargz layers fail`,
      mend: "TMPDIR=DIR varve …",
    });
  }
}

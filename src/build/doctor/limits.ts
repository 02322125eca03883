import { readFileSync } from "node:fs";
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

import { rmSync } from "node:fs";
import { join } from "node:path";

/** The directory that the kernel creates in a work directory for a volatile mount. Unmounting does not remove it. */
export const volatileMark = (work: string): string => join(work, "work", "incompat", "volatile");

/** Removes the mark after a clean unmount. The changes are complete then: only a crash of the machine can lose them. */
export function removeVolatileMark(work: string): void {
  rmSync(volatileMark(work), { recursive: true, force: true });
}

import { rm } from "node:fs/promises";
import { join } from "node:path";

/** The directory that the kernel creates in a work directory for a volatile mount. Unmounting does not remove it. */
export const volatileMark = (work: string): string => join(work, "work", "incompat", "volatile");

/** Removes the mark after a clean unmount. The changes are complete then: only a crash of the machine can lose them. */
export async function removeVolatileMark(work: string): Promise<void> {
  await rm(volatileMark(work), { recursive: true, force: true });
}

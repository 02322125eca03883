import { rmdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../core/index.ts";

/** What the kernel makes in a work directory for a volatile mount, and does not remove when it is unmounted. */
export const volatileMark = (work: string): string => join(work, "work", "incompat", "volatile");

/** Says that the changes made in a volatile mount were not lost: nothing but a crash of the machine loses them. */
export async function removeVolatileMark(work: string): Promise<void> {
  await rmdir(volatileMark(work)).catch((error: unknown) => {
    if (errnoOf(error) !== "ENOENT") throw error;
  });
}

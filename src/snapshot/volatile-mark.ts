import { rm } from "node:fs/promises";
import { join } from "node:path";

/** What the kernel makes in a work directory for a volatile mount, and does not remove when it is unmounted. */
export const volatileMark = (work: string): string => join(work, "work", "incompat", "volatile");

/** Says that the changes made in a volatile mount were not lost: nothing but a crash of the machine loses them. */
export async function removeVolatileMark(work: string): Promise<void> {
  await rm(volatileMark(work), { recursive: true, force: true });
}

import type { StoreOptions } from "../engine/index.ts";
import type { DoctorReport } from "./fact.ts";

/**
 * Finds out what this machine offers a build, by trying it: files are shared, an overlay is mounted, a step is run. All of
 * that happens in a directory of its own in the root (or where the root would be), which is gone afterwards; no root is made, and
 * the database of one that is there is read through and left as it is. What does not work is a fact, not an error; throws only `cancelled`.
 */
export async function doctorFacts(
  options: Pick<StoreOptions, "root"> = {},
  signal?: AbortSignal,
): Promise<DoctorReport> {
  const { lookAtMachine } = await import("./look.ts");
  return await lookAtMachine(options, signal);
}

import type { Fact } from "./doctor/fact.ts";
import type { StoreOptions } from "./store.ts";

export interface DoctorReport {
  readonly root: string;
  /** True if a build with `RUN` steps works here: one was run, and nothing that every build needs is missing. */
  readonly ready: boolean;
  readonly facts: readonly Fact[];
}

/**
 * Finds out what this machine offers a build, by trying it: files are shared, an overlay is mounted, a step is run. All of
 * that happens in a directory of its own in the root (or where the root would be), which is gone afterwards; no root is made, and
 * the database of one that is there is read through and left as it is. What does not work is a fact, not an error; throws only `cancelled`.
 */
export async function doctorFacts(
  options: Pick<StoreOptions, "root"> = {},
  signal?: AbortSignal,
): Promise<DoctorReport> {
  const { lookAtMachine } = await import("./doctor/look.ts");
  return await lookAtMachine(options, signal);
}

import { toVarveError } from "../core/index.ts";
import { doctorFacts as execFacts } from "../exec/index.ts";
import { diskFacts } from "./doctor/disk.ts";
import type { Fact } from "./doctor/fact.ts";
import { kernelFact, nodeFact, privilegeFact, userNamespaceFact } from "./doctor/machine.ts";
import { probeDirectory } from "./doctor/probe-directory.ts";
import { cgroupFact, runtimeFact, seccompFact, stepFact, toolFacts } from "./doctor/steps.ts";
import { type StoreOptions, defaultRoot } from "./store.ts";

export interface DoctorReport {
  readonly root: string;
  /** True if a build with `RUN` steps works here: one was run. */
  readonly ready: boolean;
  readonly facts: readonly Fact[];
}

/**
 * Finds out what this machine offers a build, by trying it: files are shared, an overlay is mounted, a step is run. All of
 * that happens in a directory of its own beside the root (or where the root would be), which is gone afterwards; the root is
 * neither made nor opened. What does not work is a fact, not an error; throws only `cancelled`.
 */
export async function doctorFacts(
  options: Pick<StoreOptions, "root"> = {},
  signal?: AbortSignal,
): Promise<DoctorReport> {
  const root = options.root ?? defaultRoot();
  try {
    await using probe = await probeDirectory(root);
    signal?.throwIfAborted();
    const step = await stepFact(probe, signal);
    const exec = await execFacts();
    const facts = [
      nodeFact(),
      kernelFact(),
      privilegeFact(exec),
      userNamespaceFact(exec),
      ...(await diskFacts(root, probe)),
      await runtimeFact(exec),
      step,
      cgroupFact(exec),
      seccompFact(exec),
      ...(await toolFacts()),
    ];
    return { root, ready: facts.every((fact) => !fact.required || fact.state !== "missing"), facts };
  } catch (error) {
    throw toVarveError(error, "look at this machine");
  }
}

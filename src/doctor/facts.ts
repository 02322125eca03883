import type { StoreOptions } from "../engine/index.ts";
import type { DoctorReport } from "./fact.ts";

/**
 * Reports what this machine offers to builds. It tries everything: it clones a file, mounts an overlay and runs a step, in a
 * temporary directory in the root, or in the nearest existing directory above it. It does not create a root. It reads the database
 * of an existing root and does not change it.
 *
 * @throws {VarveError} `cancelled` if `signal` is aborted. Whatever does not work is a fact of the report, not an error.
 *
 * @example
 * const { ready, facts } = await doctorFacts();
 * for (const { name, fix } of facts) if (fix !== undefined) console.log(`${name}: to fix, run ${fix}`);
 */
export async function doctorFacts(
  options: Pick<StoreOptions, "root" | "steps"> = {},
  signal?: AbortSignal,
): Promise<DoctorReport> {
  const { lookAtMachine } = await import("./look.ts");
  return await lookAtMachine(options, signal);
}

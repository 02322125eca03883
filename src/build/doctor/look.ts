import { toVarveError } from "../../core/index.ts";
import { doctorFacts as execFacts } from "../../exec/index.ts";
import { diskFacts } from "./disk.ts";
import { kernelFact, nodeFact, privilegeFact, userNamespaceFact } from "./machine.ts";
import type { DoctorReport } from "../doctor.ts";
import { probeDirectory } from "./probe-directory.ts";
import { cgroupFact, runtimeFact, seccompFact, stepFact, toolFacts } from "./steps.ts";
import { type StoreOptions, rootOf } from "../store.ts";

/** `doctorFacts` of the door. */
export async function lookAtMachine(
  options: Pick<StoreOptions, "root"> = {},
  signal?: AbortSignal,
): Promise<DoctorReport> {
  const root = rootOf(options);
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

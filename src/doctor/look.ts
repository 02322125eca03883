import { type StoreOptions, rootOf } from "../engine/index.ts";
import { toVarveError } from "../core/index.ts";
import { doctorFacts as execFacts } from "../exec/index.ts";
import { attempt } from "./attempt.ts";
import { diskFacts } from "./disk.ts";
import { openFilesFact, temporaryFact } from "./limits.ts";
import { isolationFacts } from "./isolation.ts";
import { kernelFact, nodeFact, privilegeFact } from "./machine.ts";
import type { DoctorReport } from "./fact.ts";
import { probeDirectory } from "./probe-directory.ts";
import { cgroupFact, platformsFact, runtimeFact, seccompFact, stepFact, toolFacts } from "./steps.ts";
import { databaseFacts } from "./root.ts";

/** Collects the facts of `doctorFacts`. */
export async function lookAtMachine(
  options: Pick<StoreOptions, "root" | "steps"> = {},
  signal?: AbortSignal,
): Promise<DoctorReport> {
  const root = rootOf(options);
  const { isolation = "namespaces" } = options.steps ?? {};
  try {
    await using probe = await probeDirectory(root);
    const step = await attempt("RUN", () => stepFact(probe, isolation, signal), signal);
    const exec = await execFacts();
    const disk = await attempt("disk", () => diskFacts(root, probe), signal);
    const hasOverlays = disk.some(({ name, state }) => name === "overlayfs" && state === "ok");
    const facts = [
      nodeFact(),
      kernelFact(),
      privilegeFact(exec, isolation),
      ...(await attempt("isolation", () => isolationFacts(exec, isolation), signal)),
      ...(await attempt("open files", () => openFilesFact(), signal)),
      await temporaryFact(),
      ...disk,
      ...(probe.state === "usable" ? await attempt("database", () => databaseFacts(root, hasOverlays), signal) : []),
      ...(await attempt("OCI runtime", () => runtimeFact(exec, isolation), signal)),
      ...step,
      ...(await attempt("platforms", () => platformsFact(), signal)),
      cgroupFact(exec),
      seccompFact(exec),
      ...(await attempt("tools", () => toolFacts(), signal)),
    ];
    return { root, ready: facts.every((fact) => !fact.required || fact.state !== "missing"), facts };
  } catch (error) {
    throw toVarveError(error, "examine this machine");
  }
}

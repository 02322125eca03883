import { createRunner, findRuntime, type RuntimeName } from "../src/exec/index.ts";
import { isRootUser } from "../src/linux/index.ts";
import type { RunnerSetup } from "./contracts/runner.ts";
import { rootfsUnavailable } from "./rootfs.ts";

/** How to make runners that use `name`; says why if this machine cannot. */
export async function runtimeSetup(name: RuntimeName): Promise<RunnerSetup> {
  const runtime = await findRuntime([name]).catch(() => undefined);
  const missing = runtime === undefined ? `${name} is not installed: apt-get install ${name}` : undefined;
  return {
    unavailable: isRootUser() ? (missing ?? rootfsUnavailable()) : "only root can run steps",
    runtime: name,
    create: (stateDir) => createRunner({ stateDir, ...(runtime === undefined ? {} : { runtime }) }),
  };
}

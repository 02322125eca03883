import { findProgram, hasCapability, isRootUser, ownIdMaps } from "../linux/index.ts";
import { type CgroupLayout, readCgroupLayout } from "./cgroup/layout.ts";
import { userGroups } from "./cgroup/user-namespace.ts";
import { missingForChroot } from "./chroot/possible.ts";
import { findRuntime } from "./find.ts";
import { hasSeccomp } from "./bundle/seccomp.ts";
import type { Runtime, RuntimeName } from "./types.ts";

/** What this machine offers for running steps. */
export interface ExecFacts {
  /** Installed runtimes, in order of preference. */
  readonly runtimes: readonly Runtime[];
  /** Required programs that are not installed. */
  readonly missingPrograms: readonly string[];
  /** In a user namespace, only version 2 that is delegated to the user counts. */
  readonly cgroups: CgroupLayout["kind"];
  /** Controllers of version 1 and version 2 hierarchies, sorted. */
  readonly controllers: readonly string[];
  /** True if the kernel can filter system calls. */
  readonly seccomp: boolean;
  readonly root: boolean;
  /** True if this process may run steps in a chroot. */
  readonly mayChroot: boolean;
  /** True if this process may create namespaces and mounts (CAP_SYS_ADMIN). */
  readonly mayMount: boolean;
}

/** Returns what this machine offers for running steps. Changes nothing. */
export async function doctorFacts(): Promise<ExecFacts> {
  const names: readonly RuntimeName[] = ["crun", "runc"];
  const programs = ["setpriv", "unshare", "sh"];
  const runtimes = await Promise.all(names.map((name) => findRuntime([name]).catch(() => undefined)));
  const found = await Promise.all(programs.map((name) => findProgram(name)));
  const groups = readCgroupLayout();
  const layout = ownIdMaps() === undefined ? groups : userGroups(groups).layout;
  const controllers = layout.hierarchies.flatMap((hierarchy) => hierarchy.controllers);
  return {
    runtimes: runtimes.filter((runtime) => runtime !== undefined),
    missingPrograms: programs.filter((_, index) => found[index] === undefined),
    cgroups: layout.kind,
    controllers: [...new Set(controllers.filter((name) => !name.startsWith("name=")))].toSorted(),
    seccomp: hasSeccomp(),
    root: isRootUser(),
    mayChroot: missingForChroot().length === 0,
    mayMount: hasCapability("sys_admin"),
  };
}

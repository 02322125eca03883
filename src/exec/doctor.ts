import { readFileSync } from "node:fs";
import { hasCapability, isRootUser } from "../linux/index.ts";
import { type CgroupLayout, readCgroupLayout } from "./cgroup/layout.ts";
import { findProgram, findRuntime } from "./find.ts";
import { hasSeccomp } from "./bundle/seccomp.ts";
import type { Runtime, RuntimeName } from "./types.ts";

/** What this machine offers for running steps. */
export interface ExecFacts {
  /** Installed runtimes, in order of preference. */
  readonly runtimes: readonly Runtime[];
  /** Required programs that are not installed. */
  readonly missingPrograms: readonly string[];
  readonly cgroups: CgroupLayout["kind"];
  /** Controllers of version 1 and version 2 hierarchies, sorted. */
  readonly controllers: readonly string[];
  /** True if the kernel can filter system calls. */
  readonly seccomp: boolean;
  /** True if an unprivileged process may create user namespaces. */
  readonly userNamespaces: boolean;
  readonly root: boolean;
  /** True if this process may create namespaces and mounts (CAP_SYS_ADMIN). */
  readonly mayMount: boolean;
}

/** Returns what this machine offers for running steps. Changes nothing. */
export async function doctorFacts(): Promise<ExecFacts> {
  const names: readonly RuntimeName[] = ["crun", "runc"];
  const programs = ["setpriv", "unshare", "sh"];
  const runtimes = await Promise.all(names.map((name) => findRuntime([name]).catch(() => undefined)));
  const found = await Promise.all(programs.map((name) => findProgram(name)));
  const layout = readCgroupLayout();
  const controllers = layout.hierarchies.flatMap((hierarchy) => hierarchy.controllers);
  return {
    runtimes: runtimes.filter((runtime) => runtime !== undefined),
    missingPrograms: programs.filter((_, index) => found[index] === undefined),
    cgroups: layout.kind,
    controllers: [...new Set(controllers.filter((name) => !name.startsWith("name=")))].toSorted(),
    seccomp: hasSeccomp(),
    userNamespaces: numberIn("/proc/sys/user/max_user_namespaces") > 0 && !isRestricted(),
    root: isRootUser(),
    mayMount: hasCapability("sys_admin"),
  };
}

/** True if Debian's or Ubuntu's own setting forbids unprivileged user namespaces. Other kernels lack these settings. */
function isRestricted(): boolean {
  const debian = numberIn("/proc/sys/kernel/unprivileged_userns_clone", 1);
  const ubuntu = numberIn("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0);
  return debian !== 1 || ubuntu !== 0;
}

function numberIn(path: string, fallback = 0): number {
  try {
    return Number(readFileSync(path, "utf8"));
  } catch {
    return fallback;
  }
}

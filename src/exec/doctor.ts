import { readFileSync } from "node:fs";
import { hasCapability, isRootUser } from "../linux/index.ts";
import { type CgroupLayout, readCgroupLayout } from "./cgroup/layout.ts";
import { findProgram, findRuntime } from "./find.ts";
import { hasSeccomp } from "./bundle/seccomp.ts";
import type { Runtime, RuntimeName } from "./types.ts";

/** What this machine has of what running steps takes. */
export interface ExecFacts {
  /** Those that are installed, in order of preference. */
  readonly runtimes: readonly Runtime[];
  /** Programs that are needed and missing. */
  readonly missingPrograms: readonly string[];
  readonly cgroups: CgroupLayout["kind"];
  /** Controllers of either version. */
  readonly controllers: readonly string[];
  /** True if the kernel can filter system calls. */
  readonly seccomp: boolean;
  /** True if a process without privileges may make user namespaces. */
  readonly userNamespaces: boolean;
  readonly root: boolean;
  /** True if this process may make namespaces and mounts. */
  readonly mayMount: boolean;
}

/** Looks at the machine and changes nothing. */
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
    userNamespaces: numberIn("/proc/sys/user/max_user_namespaces") > 0 && restriction() === "none",
    root: isRootUser(),
    mayMount: hasCapability("sys_admin"),
  };
}

/** Debian's and Ubuntu's own switches, which other kernels lack. */
function restriction(): "none" | "switched-off" {
  const debian = numberIn("/proc/sys/kernel/unprivileged_userns_clone", 1);
  const ubuntu = numberIn("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0);
  return debian === 1 && ubuntu === 0 ? "none" : "switched-off";
}

function numberIn(path: string, otherwise = 0): number {
  try {
    return Number(readFileSync(path, "utf8"));
  } catch {
    return otherwise;
  }
}

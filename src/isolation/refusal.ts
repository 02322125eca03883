import { readText } from "../linux/index.ts";
import { VarveError } from "../core/index.ts";

/** Why a process cannot have a user namespace. */
export type Refusal =
  | { readonly reason: "no-util-linux" | "no-newuidmap" }
  | { readonly reason: "no-subordinate-ids"; readonly user: string }
  /** A program failed: unshare before the namespace existed (`make`), newuidmap (`map`), or the first mount in it (`mount`). */
  | { readonly reason: "failed"; readonly step: "make" | "map" | "mount"; readonly message: string };

/** What the kernel says about this process and user namespaces. */
export interface KernelRules {
  /** Set-user-id programs have no effect for this process. */
  readonly noNewPrivileges: boolean;
  /** A system call filter is in force, as in a container. */
  readonly isFiltered: boolean;
  /** `user.max_user_namespaces` is 0. */
  readonly noNamespaces: boolean;
  /** `kernel.unprivileged_userns_clone` is 0: Debian up to 10, hardened kernels. */
  readonly isDisabled: boolean;
  /** `kernel.apparmor_restrict_unprivileged_userns` is 1: Ubuntu from 23.10 on. */
  readonly isConfined: boolean;
}

/** Reads the rules from /proc. They say why something has failed; they do not say whether it will. */
export function kernelRules(read: (path: string) => string = readText): KernelRules {
  const status = read("/proc/self/status");
  const is = (path: string, value: string): boolean => read(`/proc/sys/${path}`).trim() === value;
  return {
    noNewPrivileges: /^NoNewPrivs:\s*1$/m.test(status),
    isFiltered: /^Seccomp:\s*2$/m.test(status),
    noNamespaces: is("user/max_user_namespaces", "0"),
    isDisabled: is("kernel/unprivileged_userns_clone", "0"),
    isConfined: is("kernel/apparmor_restrict_unprivileged_userns", "1"),
  };
}

/** A refusal in words: what is missing, and the command or change that gives it. */
export interface Explanation {
  readonly why: string;
  readonly fix: string;
}

const NO_NEW_PRIVILEGES: Explanation = {
  why: "newuidmap has no effect under no_new_privs",
  fix: "allow it: allowPrivilegeEscalation: true in Kubernetes, NoNewPrivileges=no in systemd; or use --isolation=userns-single",
};
const CONTAINER: Explanation = {
  why: "the container's system call filter forbids user namespaces",
  fix: "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined …; in Kubernetes: seccompProfile Unconfined, procMount Unmasked, hostUsers: false",
};
const CONFINED: Explanation = {
  why: "AppArmor restricts user namespaces of ordinary users (kernel.apparmor_restrict_unprivileged_userns)",
  fix: "add an AppArmor profile with the rule userns for unshare and node (docs/rootless.md), or: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
};

/** Says in words why there is no user namespace. */
export function explainRefusal(refusal: Refusal, rules: KernelRules = kernelRules()): Explanation {
  switch (refusal.reason) {
    case "no-util-linux":
      return { why: "unshare, setpriv or sh is not installed", fix: "apt-get install util-linux" };
    case "no-newuidmap":
      return { why: "newuidmap is not installed", fix: "apt-get install uidmap" };
    case "no-subordinate-ids":
      return {
        why: `user ${refusal.user} has no subordinate ids in /etc/subuid and /etc/subgid`,
        fix: `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${refusal.user}`,
      };
    case "failed":
      return explainFailure(refusal.step, refusal.message.trim(), rules);
  }
}

function explainFailure(step: "make" | "map" | "mount", message: string, rules: KernelRules): Explanation {
  if (step === "make") return explainMake(message, rules);
  if (step === "map") return explainMap(message, rules);
  // The namespace exists, and its first privileged act fails.
  if (rules.isConfined) return CONFINED;
  if (rules.isFiltered) return CONTAINER;
  return { why: `nothing can be mounted in a user namespace: ${message}`, fix: "run as root" };
}

function explainMake(message: string, rules: KernelRules): Explanation {
  const without = (setting: string, value: string): Explanation => ({
    why: `the machine allows no user namespaces (${setting})`,
    fix: `sudo sysctl ${setting}=${value}`,
  });
  if (rules.isDisabled) return without("kernel.unprivileged_userns_clone", "1");
  if (rules.noNamespaces || /No space left/.test(message)) return without("user.max_user_namespaces", "28633");
  if (rules.isConfined) return CONFINED;
  if (rules.isFiltered) return CONTAINER;
  return { why: `no user namespace can be made: ${message}`, fix: "run as root" };
}

function explainMap(message: string, rules: KernelRules): Explanation {
  if (/not allowed/.test(message))
    return {
      why: `newuidmap refuses the ids of /etc/subuid and /etc/subgid: ${message}`,
      fix: "check that the lines of this user are well-formed and end below 4294967295",
    };
  if (rules.noNewPrivileges) return NO_NEW_PRIVILEGES;
  if (rules.isConfined) return CONFINED;
  if (/Operation not permitted/.test(message))
    return {
      why: `newuidmap lacks its privileges: ${message}`,
      fix: "sudo chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap, or reinstall the package uidmap",
    };
  return { why: `newuidmap failed: ${message}`, fix: "apt-get install --reinstall uidmap" };
}

/** Returns the error of a command that needs a user namespace. */
export function refusalError(refusal: Refusal, doing: string): VarveError {
  const { why, fix } = explainRefusal(refusal);
  return new VarveError("unsupported", `Cannot ${doing}: ${why}`, { hint: fix });
}

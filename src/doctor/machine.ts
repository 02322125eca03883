import type { ExecFacts } from "../exec/index.ts";
import type { StepIsolation } from "../isolation/index.ts";
import { kernelFeatures } from "../linux/index.ts";
import { type Fact, limited, missing, ok } from "./fact.ts";

/** The oldest version of Node that has everything that Varve calls. */
const NODE = [24, 12] as const;

export function nodeFact(version: string = process.versions.node): Fact {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > NODE[0] || (major === NODE[0] && minor >= NODE[1])) return ok("node", version, true);
  return missing("node", version, { consequence: `Varve requires Node ${NODE.join(".")} or newer` });
}

export function kernelFact(): Fact {
  const { release, openat2, newMountApi } = kernelFeatures();
  if (!openat2)
    return missing("kernel", release, {
      consequence:
        "the system call openat2 (Linux 5.6) is not available: the kernel is too old, or a sandbox blocks the call",
    });
  if (!newMountApi)
    return limited("kernel", release, {
      consequence: "images with more than a few dozen layers may not mount (fsopen, Linux 5.2)",
    });
  return ok("kernel", release, true);
}

/** For root in a container. */
export const CHROOT = "varve --isolation=chroot …, if all that runs in this container may trust each other";

/** Mounts and namespaces require root, on the machine or in a user namespace. */
export function privilegeFact({ root, mayMount, mayChroot }: ExecFacts, isolation: StepIsolation): Fact {
  const user = root ? "root" : `user ${process.geteuid?.() ?? "?"}`;
  if (mayMount) return ok("privileges", user, true);
  if (isolation === "chroot" && mayChroot) return ok("privileges", `${user}, without CAP_SYS_ADMIN`, true);
  return missing("privileges", `${user}, without CAP_SYS_ADMIN`, {
    consequence: "filesystems cannot be mounted, so RUN steps cannot run",
    fix: mayChroot ? CHROOT : root ? "docker run --privileged …" : "sudo varve …",
  });
}

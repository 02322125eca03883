import { createChrootRunner } from "../src/exec/index.ts";
import { hasCapability } from "../src/linux/index.ts";
import type { RunnerSetup } from "./contracts/runner.ts";
import { rootfsUnavailable } from "./rootfs.ts";

const PROC = "there is no /proc";
const COPIES = "what is mounted only for reading is a copy, which a step may change for itself";
const DIRECTORIES = "temporary filesystems are directories without a size";
const NAMESPACES = "there are no namespaces";
const GROUPS = "there are no control groups";
const JOIN = "no process joins a step";
const TERMINALS = "there are no terminals";

/** What a chroot cannot do, of all that runners do. */
const IMPOSSIBLE: ReadonlyMap<string, string> = new Map([
  ["standard input is empty; standard output can be opened by path, by any user", PROC],
  ["root in a sandbox has Docker's capabilities and system calls", PROC],
  ["a user other than root has no capabilities in force", PROC],
  ["it can make device nodes, and use only the harmless; none in a user namespace", "it can make none"],
  ["the kernel's files are masked or read-only", PROC],
  ["it is alone: first process, own name, own devices", NAMESPACES],
  ["names and name servers are given", COPIES],
  ["without a network there is a loopback interface that works, and no other", NAMESPACES],
  ["without a sandbox root may do what this process may", NAMESPACES],
  ["without a sandbox a step makes control groups inside its own, and they do not outlive it", NAMESPACES],
  ["resource limits of processes and the size of shared memory are set", DIRECTORIES],
  ["a step that takes more memory than its limit is killed, and says why", GROUPS],
  ["a limit that the kernel refuses is an error, not a step without it", GROUPS],
  ["a step cannot have more processes than its limit", GROUPS],
  ["a control group can be asked for, and does not outlive the step", GROUPS],
  ["directories and files are bound, for writing or only for reading", COPIES],
  ["memory filesystems are empty, writable for all, and of the size asked for", DIRECTORIES],
  ["a secret is a file with the owner and mode asked for, on no disk", PROC],
  ["a mount goes over what a step finds by default", DIRECTORIES],
  ["a device brings environment, nodes, mounts, groups and hooks", "there are no devices of others"],
  ["an abort ends a fork bomb", GROUPS],
  ["processes join a step: its files and processes are theirs, their output and status are their own", JOIN],
  ["a process that joins has the sandbox of the step", JOIN],
  ["a process that cannot be started says so, and the others go on", JOIN],
  ["the end of the first process ends the others, and nobody joins after it", JOIN],
  ["disposing of a step ends everything in it", JOIN],
  ["signals reach a process as soon as it runs, and only it", JOIN],
  ["a process that is stopped goes on, and SIGKILL ends it", JOIN],
  ["a terminal has a name, a size and echo, for the first process and for another", TERMINALS],
  ["a terminal that nobody reads holds the writer back, and not this process", TERMINALS],
]);

/** How to make runners that isolate steps by a chroot; says why if this process may not. */
export const CHROOTS: RunnerSetup = {
  unavailable: hasCapability("sys_chroot") ? rootfsUnavailable() : "only root can change its root",
  runtime: "chroot",
  create: (stateDir) => createChrootRunner({ stateDir }),
  impossible: IMPOSSIBLE,
};

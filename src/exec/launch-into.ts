import { closeSync, openSync, readlinkSync } from "node:fs";
import { DIES_WITH_US, type Launch, startLaunch } from "./launch.ts";
import { type LaunchTools, NAMESPACES } from "./launch-script.ts";
import type { InputKind } from "./streams.ts";

/** What starts a process in the namespaces of a runtime. */
export interface Joining {
  readonly tools: LaunchTools & { readonly nsenter: string };
  readonly directory: string;
  /** The shell script that becomes the other runtime. */
  readonly script: string;
  readonly input: InputKind;
}

/**
 * Starts another runtime in the pid, mount, network and user namespaces of the first one, which is running: so it ends with that one. Returns undefined
 * if that one has ended.
 */
export function launchInto(launched: Launch, { tools, directory, script, input }: Joining): Launch | undefined {
  using stack = new DisposableStack();
  const first = launched.first();
  if (first === undefined) return undefined;
  const [pid, mount, network, user] = ["pid", "mnt", "net", "user"].map((name) => {
    const descriptor = tryOpen(`/proc/${first}/ns/${name}`);
    if (descriptor !== undefined) stack.defer(() => closeSync(descriptor));
    return descriptor;
  });
  // The first process's id was its own for as long as it is the launcher's child.
  if (pid === undefined || mount === undefined || network === undefined || user === undefined) return undefined;
  if (launched.first() !== first) return undefined;
  const { setpriv, nsenter, shell } = tools;
  const [own, mounts, net, users] = NAMESPACES.map((descriptor) => `/proc/self/fd/${descriptor}`);
  // A user namespace may not enter the machine's network again, in which it is.
  const isShared = (name: string): boolean => identityOf("self", name) === identityOf(String(first), name);
  const enter = [
    nsenter,
    `--pid=${own}`,
    `--mount=${mounts}`,
    ...(isShared("net") ? [] : [`--net=${net}`]),
    ...(isShared("user") ? [] : [`--user=${users}`, "--preserve-credentials"]),
  ];
  const joined = startLaunch([setpriv, ...DIES_WITH_US, ...enter, "--", shell, "-c", script], directory, input, [
    pid,
    mount,
    network,
    user,
  ]);
  joined.go();
  return joined;
}

/** The identity of a namespace of a process: "net:[4026531840]". */
function identityOf(pid: string, name: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/${name}`);
  } catch {
    return undefined;
  }
}

function tryOpen(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch {
    return undefined;
  }
}

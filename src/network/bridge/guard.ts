import { spawn } from "node:child_process";
import { findProgram } from "../../linux/index.ts";
import { type Firewall, quoted } from "./firewall.ts";

/** Seconds in which the kernel ends a killed process, which may have closed its pipe before its locks. */
const PATIENCE = 10;

/** What is left to do when a process that uses a bridge is killed. */
export interface GuardedBridge {
  readonly name: string;
  /** The file that says that Varve has made the bridge. */
  readonly made: string;
  /** The file that all processes lock that use the bridge. */
  readonly users: string;
  readonly firewall: Pick<Firewall, "removal">;
}

/** Disposal ends the shell before it does anything. */
export type BridgeGuard = AsyncDisposable;

/**
 * Removes a bridge and its rules when this process is killed and no other one uses it: a shell in its own session waits for that. Undefined
 * if the machine lacks the tools for it; then the next process that uses the bridge removes it at its end.
 */
export async function guardBridge({ name, made, users, firewall }: GuardedBridge): Promise<BridgeGuard | undefined> {
  const [ip, flock] = [await findProgram("ip"), await findProgram("flock")];
  if (ip === undefined || flock === undefined) return undefined;
  const script = `trap "" HUP INT TERM
read -r answer && exit
exec 9>>${quoted(users)} || exit
${quoted(flock)} -w ${PATIENCE} 9 || exit
[ -e ${quoted(made)} ] && ${quoted(ip)} link delete ${quoted(name)} && rm -f ${quoted(made)}
${firewall.removal}`;
  const shell = spawn("/bin/sh", ["-c", script, "varve-network"], {
    detached: true,
    cwd: "/",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    stdio: ["pipe", "ignore", "ignore"],
  });
  const gone = new Promise<void>((resolve) => {
    shell.once("error", () => resolve());
    shell.once("exit", () => resolve());
  });
  shell.stdin.on("error", () => undefined);
  shell.unref();
  unrefStream(shell.stdin);
  return {
    [Symbol.asyncDispose]: async () => {
      shell.ref();
      shell.stdin.end("stop\n");
      await gone;
    },
  };
}

function unrefStream(stream: object): void {
  if ("unref" in stream && typeof stream.unref === "function") stream.unref();
}

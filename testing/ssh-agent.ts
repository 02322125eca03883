import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Starts an agent without keys on a socket. Disposing of it ends it. */
export async function startSshAgent(socket: string): Promise<AsyncDisposable> {
  const child = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  const exited = once(child, "exit");
  for (let attempt = 0; attempt < 500 && !existsSync(socket); attempt += 1) await sleep(10);
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

import { spawnSync } from "node:child_process";

/** Milliseconds. */
export interface Times {
  readonly wall: number;
  /** Of the process, its threads and the programs that it waits for. */
  readonly cpu: number;
}

/** Runs a command, with the times that the shell measures. */
export function timedCommand(command: readonly string[], root: string): Times {
  const script = 'TIMEFORMAT="%R %U %S"; time "$@" >/dev/null 2>&1';
  const env = { ...process.env, VARVE_ROOT: root, LC_ALL: "C" };
  const { status, stderr } = spawnSync("bash", ["-c", script, "bash", ...command], { env, encoding: "utf8" });
  const [wall = 0, user = 0, system = 0] = stderr
    .trim()
    .split(" ")
    .map((seconds) => Number(seconds) * 1000);
  if (status !== 0 || wall === 0) throw new Error(`${command.join(" ")} exited with ${status}`);
  return { wall, cpu: user + system };
}

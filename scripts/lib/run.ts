import { spawnSync } from "node:child_process";

/** Runs a program to its end and returns what it printed; throws with its messages if it fails. */
export function run(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} exited with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

import { becomeStep } from "./become.ts";
import { supervise } from "./supervise.ts";

/** Runs as one of the two processes that surround a step in a chroot. Returns at once; the process ends by itself. */
export function runStepProgram([role, ...rest]: readonly string[]): void {
  if (role === "supervise") supervise();
  else becomeStep(Number(rest[0]));
}

/** The program of processes that surround a step in a chroot: `step.ts supervise`, and what that starts. */
import { runStepProgram } from "./step-program.ts";

runStepProgram(process.argv.slice(2));

/** The program of the single executable: what `bin/varve.js` is for the package. */
import { forwardCommand } from "./forward/client.ts";

/** See `stepProgram`. */
const CHROOT_STEP = "varve-chroot-step";

async function run(): Promise<void> {
  if (process.argv[2] === CHROOT_STEP) {
    const { runStepProgram } = await import("../exec/index.ts");
    return runStepProgram(process.argv.slice(3));
  }
  const code = await forwardCommand(process.argv.slice(2));
  // Standard input may still be open.
  if (code !== undefined) process.exit(code);
  if (process.getuid?.() !== 0) {
    const { enterForCommand } = await import("./enter.ts");
    const entered = await enterForCommand([process.execPath], process.argv.slice(2));
    if (entered !== undefined) process.exit(entered);
  }
  await import("./main.ts");
}

void run();

/** The program of the single executable: what `bin/varve.js` is for the package. */
import { forwardCommand } from "./forward/client.ts";

async function run(): Promise<void> {
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

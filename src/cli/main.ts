import { setFlagsFromString } from "node:v8";
import { VarveError } from "../core/index.ts";
import { ExitCode } from "./exit-code.ts";
import { screenOf } from "./progress/screen.ts";
import { runCommand } from "./run-command.ts";
import { workingDirectory } from "./working-directory.ts";
import { endWithReader, writeTo } from "./write-stream.ts";

/** Aborts at the first interrupt; a second one ends the process at once. */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(ExitCode.interrupted);
      controller.abort(new VarveError("cancelled", `Cannot go on: interrupted by ${name}`));
    });
  }
  return controller.signal;
}

// Layers pass through buffers outside V8's heap. By default V8 collects the whole heap for every few megabytes of them, which is a tenth
// of the work of a pull. With this, such memory counts together with the heap.
setFlagsFromString("--external-memory-accounted-in-global-limit");

endWithReader();

/** The package's command is a CommonJS module, which cannot wait at its top level. */
async function main(): Promise<void> {
  process.exitCode = await runCommand(process.argv.slice(2), {
    stdin: process.stdin,
    stdout: { write: (data) => writeTo(process.stdout, data), isTTY: process.stdout.isTTY },
    screen: screenOf(process.stderr),
    signal: interruptSignal(),
    // Commands that use no relative path work in a directory that was removed too.
    cwd: workingDirectory() ?? ".",
    env: process.env,
  });
}

void main();

import { VarveError } from "../core/index.ts";
import { ExitCode } from "./exit-code.ts";
import { screenOf } from "./progress/screen.ts";
import { runCommand } from "./run-command.ts";

/** Writes to standard output and waits until the reader takes the data. A closed pipe ends the process, as for other commands. */
async function writeOut(data: string | Uint8Array): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  process.stdout.write(data, (error) => (error === null || error === undefined ? resolve() : reject(error)));
  await promise;
}

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

/** Returns the working directory, or "." if it was removed: commands that use no relative path still work. */
function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    return ".";
  }
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(ExitCode.done);
});
/** The package's command is a CommonJS module, which cannot wait at its top level. */
async function main(): Promise<void> {
  process.exitCode = await runCommand(process.argv.slice(2), {
    stdin: process.stdin,
    stdout: { write: writeOut, isTTY: process.stdout.isTTY },
    screen: screenOf(process.stderr),
    signal: interruptSignal(),
    cwd: workingDirectory(),
    env: process.env,
  });
}

void main();

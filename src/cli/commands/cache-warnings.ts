import type { CommandContext } from "../command.ts";
import { printableLine } from "../printable.ts";

/** Returns a function that prints warnings to standard error, unless the log level is `error`. */
export function warner({ screen, logLevel }: CommandContext): (message: string) => void {
  return (message) => {
    if (logLevel !== "error") screen.write(`WARNING: ${printableLine(message)}\n`);
  };
}

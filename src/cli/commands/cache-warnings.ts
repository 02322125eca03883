import type { CommandContext } from "../command.ts";
import { printableLine } from "../printable.ts";

/** Tells of what is amiss on standard error, unless only errors are to be told. */
export function warner({ screen, logLevel }: CommandContext): (message: string) => void {
  return (message) => {
    if (logLevel !== "error") screen.write(`WARNING: ${printableLine(message)}\n`);
  };
}

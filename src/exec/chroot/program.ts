import { extname } from "node:path";
import { fileURLToPath } from "node:url";

/** Returns what starts `runStepProgram`. The single executable replaces this module. */
export function stepProgram(): readonly string[] {
  return [process.execPath, fileURLToPath(new URL(`./step${extname(import.meta.url)}`, import.meta.url))];
}

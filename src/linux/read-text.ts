import { readFileSync } from "node:fs";

/** Returns the text of a file such as those of /proc; nothing if it cannot be read. Kernels may lack a file, or be told to hide it. */
export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

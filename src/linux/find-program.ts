import { accessSync, constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";

/** Searched after `PATH`, because the `PATH` of an ordinary login may lack the directories of root's tools. */
const SYSTEM_DIRECTORIES = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];

/** Where an executable may be. */
function candidatesFor(name: string, path = process.env["PATH"] ?? ""): string[] {
  const directories = [...path.split(delimiter).filter((directory) => isAbsolute(directory)), ...SYSTEM_DIRECTORIES];
  return directories.map((directory) => join(directory, name));
}

/** Returns the absolute path of an executable from `PATH` or the system's directories, or undefined if there is none. */
export async function findProgram(name: string, path?: string): Promise<string | undefined> {
  for (const candidate of candidatesFor(name, path)) {
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch {
      // It is not in this directory, or this user may not execute it.
    }
  }
  return undefined;
}

/** As `findProgram`. Blocks this thread. */
export function findProgramSync(name: string, path?: string): string | undefined {
  return candidatesFor(name, path).find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

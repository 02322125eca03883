import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";

/** Searched after `PATH`, because the `PATH` of an ordinary login may lack the directories of root's tools. */
const SYSTEM_DIRECTORIES = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];

/** Returns the absolute path of an executable from `PATH` or the system's directories, or undefined if there is none. */
export async function findProgram(name: string, path: string = process.env["PATH"] ?? ""): Promise<string | undefined> {
  for (const directory of [...path.split(delimiter).filter(isAbsolute), ...SYSTEM_DIRECTORIES]) {
    const candidate = join(directory, name);
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch {
      // It is not in this directory, or this user may not execute it.
    }
  }
  return undefined;
}

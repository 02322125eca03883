import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";

/** Searched after `PATH`, because the `PATH` of an ordinary login may lack the directories of root's tools. */
const SYSTEM_DIRECTORIES = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];

/** Returns the absolute path of an executable; undefined if there is none. Works before anything asynchronous does. */
export function findTool(name: string, path: string = process.env["PATH"] ?? ""): string | undefined {
  const directories = [...path.split(delimiter).filter((directory) => isAbsolute(directory)), ...SYSTEM_DIRECTORIES];
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
